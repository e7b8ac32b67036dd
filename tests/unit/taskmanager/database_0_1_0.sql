BEGIN TRANSACTION;
CREATE TABLE claims (
	id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	task_id VARCHAR(36) NOT NULL, 
	worker_id VARCHAR(255) NOT NULL, 
	attempt INTEGER NOT NULL, 
	token VARCHAR(64), 
	request_id VARCHAR(255), 
	claimed_at FLOAT NOT NULL, 
	confirmed INTEGER NOT NULL, 
	ended_at FLOAT, 
	verdict VARCHAR(16), 
	outcome VARCHAR(80), 
	error TEXT, 
	UNIQUE (token)
);
INSERT INTO "claims" VALUES(1,'61a2647e-ef11-4614-868f-05c214327681','w1',1,'8UBY8lmDJ1hqZfPBnahYX4rrITJ4JQKb','r1',1767225600.0,1,NULL,NULL,NULL,NULL);
INSERT INTO "claims" VALUES(2,'30644efa-8ff5-493e-a579-65b274a10a89','w1',1,'4TjxgY00k1MGacD8ygpvAQP_LUBB1gCD','r1',1767225600.0,1,1767225600.0,'completed','completed b10087a98887118564ab6a7b4334a6258628052679186c71478a781ec276cd27',NULL);
INSERT INTO "claims" VALUES(3,'45a242d3-44e9-4116-907c-f8bdf6244681','w1',1,'KxgaWeabT2SCwYHm-VzwlyaatEWm5JKI','r1',1767225600.0,0,NULL,NULL,NULL,NULL);
INSERT INTO "claims" VALUES(4,'0144ecf9-2320-4f4d-b776-a9a69019d288','w2',1,NULL,NULL,1767225600.0,1,NULL,NULL,NULL,NULL);
INSERT INTO "claims" VALUES(5,'a433b516-1f97-4567-ae09-84a947e2e805','w2',1,NULL,NULL,1767225600.0,1,1767225600.0,'failed',NULL,'broke');
CREATE TABLE meta (
	name VARCHAR(64) NOT NULL, 
	value VARCHAR(255) NOT NULL, 
	PRIMARY KEY (name)
);
INSERT INTO "meta" VALUES('instance','11f81649-806a-43d3-ba4d-192d90f4cd43');
CREATE TABLE task_types (
	name VARCHAR(255) NOT NULL, 
	version VARCHAR(64) NOT NULL, 
	param_schema TEXT NOT NULL, 
	result_schema TEXT, 
	updated_at FLOAT NOT NULL, 
	PRIMARY KEY (name)
);
INSERT INTO "task_types" VALUES('Test.Checked','1','{"type": "object", "properties": {"q": {"type": "string"}}}',NULL,1767225600.0);
CREATE TABLE tasks (
	seq INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	id VARCHAR(36) NOT NULL, 
	type VARCHAR(255) NOT NULL, 
	status VARCHAR(16) NOT NULL, 
	params TEXT NOT NULL, 
	priority INTEGER NOT NULL, 
	attempts INTEGER NOT NULL, 
	max_attempts INTEGER NOT NULL, 
	not_before FLOAT, 
	created_at FLOAT NOT NULL, 
	claimed_at FLOAT, 
	completed_at FLOAT, 
	worker_id VARCHAR(255), 
	claim INTEGER, 
	claim_expires_at FLOAT, 
	leased INTEGER NOT NULL, 
	unconfirmed INTEGER NOT NULL, 
	result TEXT, 
	error TEXT, 
	error_type VARCHAR(255), 
	cancel_asked INTEGER NOT NULL, 
	dedupe_key VARCHAR(255), 
	parent_id VARCHAR(36), 
	progress FLOAT, 
	message TEXT, 
	checkpoint TEXT, 
	UNIQUE (id)
);
INSERT INTO "tasks" VALUES(1,'30644efa-8ff5-493e-a579-65b274a10a89','Test.Some','completed','{"n": 1}',0,1,3,NULL,1767225600.0,1767225600.0,1767225600.0,'w1',2,1767225660.0,1,0,'{"done":1}',NULL,NULL,0,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "tasks" VALUES(2,'61a2647e-ef11-4614-868f-05c214327681','Test.Some','processing','{"n": 2}',1,1,3,NULL,1767225600.0,1767225600.0,NULL,'w1',1,1767225660.0,1,0,NULL,NULL,NULL,0,'k',NULL,10.0,'m','{"p":1}');
INSERT INTO "tasks" VALUES(3,'45a242d3-44e9-4116-907c-f8bdf6244681','Test.Some','processing','{"n": 3}',0,0,3,NULL,1767225600.0,1767225600.0,NULL,'w1',3,1767225660.0,1,0,NULL,NULL,NULL,0,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "tasks" VALUES(4,'0144ecf9-2320-4f4d-b776-a9a69019d288','Test.Base','processing','{"n": 4}',0,1,3,NULL,1767225600.0,1767225600.0,NULL,'w2',4,1767225900.0,0,0,NULL,NULL,NULL,0,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "tasks" VALUES(5,'13dee095-c724-47b9-b35d-2353bc17f36d','Test.Waits','pending','{"n": 5}',0,0,3,1767225660.0,1767225600.0,NULL,NULL,NULL,NULL,NULL,0,0,NULL,NULL,NULL,0,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "tasks" VALUES(6,'a433b516-1f97-4567-ae09-84a947e2e805','Test.Failed','failed','{"n": 6}',0,1,1,NULL,1767225600.0,1767225600.0,1767225600.0,'w2',5,1767225900.0,0,0,NULL,'broke',NULL,0,NULL,NULL,NULL,NULL,NULL);
CREATE TABLE workers (
	worker_id VARCHAR(255) NOT NULL, 
	first_seen FLOAT NOT NULL, 
	last_seen FLOAT NOT NULL, 
	wanted VARCHAR(16) NOT NULL, 
	PRIMARY KEY (worker_id)
);
INSERT INTO "workers" VALUES('w1',1767225600.0,1767225600.0,'run');
CREATE INDEX tasks_expiring ON tasks (status, claim_expires_at);
CREATE INDEX tasks_worker ON tasks (worker_id);
CREATE INDEX tasks_dedupe ON tasks (dedupe_key);
CREATE INDEX tasks_pending ON tasks (status, type, priority DESC, seq);
CREATE INDEX ix_claims_request_id ON claims (request_id);
CREATE INDEX ix_claims_task_id ON claims (task_id);
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('tasks',6);
INSERT INTO "sqlite_sequence" VALUES('claims',5);
COMMIT;
