#!/usr/bin/env bash
# google-api-python-client behind a company's own certificate authority.
#
# Guess: SSL_CERT_FILE (which OpenSSL and ssl.create_default_context() read) makes a client trust one more authority,
# as it does for urllib.request in the same process.
# Seen: it does not; nor do REQUESTS_CA_BUNDLE and CURL_CA_BUNDLE. httplib2 always names certifi's bundle itself, so that
# OpenSSL's variable is never read. Only HTTPLIB2_CA_CERTS is looked at, once, when httplib2 is imported: set later in
# the same process it changes nothing.
# With: google-api-python-client 2.202.0, httplib2 0.32.1, Python 3.11. Needs openssl on the PATH. Exit 1 when this changes.
set -euo pipefail
work=$(mktemp -d)
trap 'kill "$(cat "$work/pid" 2>/dev/null)" 2>/dev/null; rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check google-api-python-client==2.202.0 httplib2==0.32.1

openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj "/CN=An authority" -keyout ca.key -out ca.pem 2>/dev/null
openssl req -newkey rsa:2048 -nodes -subj "/CN=localhost" -keyout key.pem -out asked.csr 2>/dev/null
printf 'subjectAltName=DNS:localhost' > names
openssl x509 -req -in asked.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile names -out cert.pem 2>/dev/null

cat > server.py <<'PY'
import http.server, os, ssl

class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = b'{"items": []}'
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *parts):
        pass

server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answer)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain("cert.pem", "key.pem")
server.socket = context.wrap_socket(server.socket, server_side=True)
with open("pid", "w") as file:
    file.write(str(os.getpid()))
with open("port.new", "w") as file:
    file.write(str(server.server_port))
os.rename("port.new", "port")
server.serve_forever()
PY
venv/bin/python server.py &
until [ -f port ]; do sleep 0.1; done

cat > client.py <<'PY'
import os, ssl, sys, urllib.request
from googleapiclient.discovery import build

if len(sys.argv) > 1:  # after httplib2 was imported
    os.environ["HTTPLIB2_CA_CERTS"] = sys.argv[1]
address = f"https://localhost:{open('port').read()}/"

def outcome(call):
    try:
        call()
        return "trusted"
    except (ssl.SSLError, OSError) as error:
        return "refused" if "CERTIFICATE_VERIFY_FAILED" in str(error) else repr(error)

service = build("youtube", "v3", developerKey="none", static_discovery=True, client_options={"api_endpoint": address})
google = outcome(lambda: service.videos().list(part="id", id="x").execute())
plain = outcome(lambda: urllib.request.urlopen(address, timeout=10).close())
print(f"google {google}, urllib {plain}")
PY

run() { env -u SSL_CERT_FILE -u SSL_CERT_DIR -u REQUESTS_CA_BUNDLE -u CURL_CA_BUNDLE -u HTTPLIB2_CA_CERTS \
        NO_PROXY=localhost no_proxy=localhost "$@"; }
result=0
expect() { # name, wanted, got
    printf '%-34s %s\n' "$1" "$3"
    [ "$2" = "$3" ] || { echo "  was: $2"; result=1; }
}
expect "nothing set" "google refused, urllib refused" "$(run venv/bin/python client.py)"
expect "SSL_CERT_FILE" "google refused, urllib trusted" "$(run SSL_CERT_FILE=ca.pem venv/bin/python client.py)"
expect "REQUESTS_CA_BUNDLE" "google refused, urllib refused" "$(run REQUESTS_CA_BUNDLE=ca.pem venv/bin/python client.py)"
expect "CURL_CA_BUNDLE" "google refused, urllib refused" "$(run CURL_CA_BUNDLE=ca.pem venv/bin/python client.py)"
expect "HTTPLIB2_CA_CERTS" "google trusted, urllib refused" "$(run HTTPLIB2_CA_CERTS=ca.pem venv/bin/python client.py)"
expect "HTTPLIB2_CA_CERTS after the import" "google refused, urllib refused" "$(run venv/bin/python client.py ca.pem)"
exit $result
