"""Secrets that are told by their shape alone: how tokens of common services begin, and what links and key files hold.

Every pattern is linear in the text: a part that may be long is followed by nothing that it could have taken itself.
"""

from __future__ import annotations

import re

TOKENS = {
    "Google": (
        r"AIza[0-9A-Za-z_\-]{30,}",
        r"ya29\.[0-9A-Za-z_\-.]{20,}",
        r"1//0[0-9A-Za-z_\-]{20,}",
        r"GOCSPX-[0-9A-Za-z_\-]{20,}",
    ),
    "Amazon": (r"A(?:KIA|SIA|BIA|CCA)[0-9A-Z]{16}(?![0-9A-Za-z])",),
    "GitHub": (r"gh[pousr]_[0-9A-Za-z]{20,}", r"github_pat_[0-9A-Za-z_]{20,}"),
    "GitLab": (r"gl(?:pat|ptt|dt|rt|cbt|ft|soat|agent)-[0-9A-Za-z_\-.]{16,}",),
    "Slack": (r"xox[abeposr]-[0-9A-Za-z\-.]{10,}", r"xapp-[0-9A-Za-z\-]{10,}"),
    "Stripe": (r"[srp]k_(?:live|test)_[0-9A-Za-z]{16,}", r"whsec_[0-9A-Za-z+/=]{16,}"),
    "OpenAI, Anthropic": (r"(?:sk|pk|rk)-[0-9A-Za-z_\-]{16,}",),
    "Hugging Face": (r"hf_[0-9A-Za-z]{20,}",),
    "npm": (r"npm_[0-9A-Za-z]{30,}",),
    "PyPI": (r"pypi-[0-9A-Za-z_\-]{40,}",),
    "Docker": (r"dckr_(?:pat|oat)_[0-9A-Za-z_\-]{20,}",),
    "SendGrid": (r"SG\.[0-9A-Za-z_\-]{16,}\.[0-9A-Za-z_\-]{16,}",),
    "Mailgun": (r"key-[0-9a-f]{32}(?![0-9A-Za-z])",),
    "DigitalOcean": (r"do[opr]_v1_[0-9a-f]{40,}",),
    "Shopify": (r"shp(?:at|ca|pa|ss)_[0-9A-Za-z]{24,}",),
    "Databricks": (r"dapi[0-9a-f]{32}",),
    "HashiCorp Vault": (r"hv[sbr]\.[0-9A-Za-z_\-]{20,}",),
    "Atlassian": (r"AT[AC]TT3[0-9A-Za-z_\-=]{20,}",),
    "Notion": (r"ntn_[0-9A-Za-z]{40,}",),
    "Linear": (r"lin_(?:api|oauth)_[0-9A-Za-z]{30,}",),
    "Groq": (r"gsk_[0-9A-Za-z]{40,}",),
    "Replicate": (r"r8_[0-9A-Za-z]{30,}",),
    "Telegram": (r"bot[0-9]{6,12}:[0-9A-Za-z_\-]{30,}", r"[0-9]{8,12}:AA[0-9A-Za-z_\-]{30,}"),
    "JWT": (r"eyJ[0-9A-Za-z_\-]{8,1000}\.[0-9A-Za-z_\-]{8,}\.[0-9A-Za-z_\-]*",),
}
"""Whose tokens are known → how they look."""

TOKEN_SHAPES = re.compile(
    r"(?<![0-9A-Za-z])(?:" + "|".join(one for shapes in TOKENS.values() for one in shapes) + ")"
)
"""Any of them, at the beginning of a word."""

LINK_SHAPES = (
    # what proves the right to a link: signatures, shared access, codes of a sign-in; an error's code stays
    re.compile(
        r"""((?:[?&;]|%3F|%26|\\u0026)
        (?:x-amz-(?:signature|security-token|credential)|x-goog-(?:signature|credential)|signature|sig|oauth_verifier
          |code(?=(?:=|%3D)[^\s"'&;]{0,300}[0-9]))
        (?:=|%3D))[^\s"'&;<>)\]}\\]{12,}""",
        re.IGNORECASE | re.VERBOSE,
    ),
    re.compile(r"((?:Account|SharedAccess|Shared)Key=)[^\s\"'&;<>]{12,}", re.IGNORECASE),
    # incoming webhooks, whose path is the secret
    re.compile(r"(/services/T[0-9A-Za-z]{6,20}/B[0-9A-Za-z]{6,20}/)[0-9A-Za-z]{16,}"),
    re.compile(r"(/webhooks/[0-9]{10,25}/)[0-9A-Za-z_\-]{20,}"),
    re.compile(r"(/IncomingWebhook/)[0-9a-f]{32}[0-9A-Za-z/\-]*"),
    # a private key, to its end or as far as it is there
    re.compile(
        r"(-----BEGIN [0-9A-Z ]{0,40}KEY(?: BLOCK)?-----)(?:[0-9A-Za-z+/=\s\\:,.()]|-(?!-))+"
        r"(?:-----END [0-9A-Z ]{0,40}-----)?"
    ),
)
"""Where the first group stays and the rest is secret."""
