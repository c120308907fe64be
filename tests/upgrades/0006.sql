BEGIN TRANSACTION;
CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
INSERT INTO "alembic_version" VALUES('0006');
CREATE TABLE "edition_recipients" (
	edition_id VARCHAR(64) NOT NULL, 
	recipient VARCHAR(320) NOT NULL, 
	address VARCHAR(320) NOT NULL, 
	roles TEXT NOT NULL, 
	letter VARCHAR(64) DEFAULT '' NOT NULL, 
	CONSTRAINT pk_edition_recipients PRIMARY KEY (edition_id, letter, recipient), 
	CONSTRAINT fk_edition_recipients_edition_id FOREIGN KEY(edition_id) REFERENCES editions (edition_id)
);
INSERT INTO "edition_recipients" VALUES('monthly-2026-09-edition-1','ada@example.org','Ada@example.org','executive_sponsor','');
INSERT INTO "edition_recipients" VALUES('monthly-2026-09-edition-1','ben@example.org','ben@example.org','finance, ld_head','');
INSERT INTO "edition_recipients" VALUES('monthly-2026-09-edition-2','ada@example.org','Ada@example.org','executive_sponsor','');
INSERT INTO "edition_recipients" VALUES('monthly-2026-09-edition-2','ben@example.org','ben@example.org','finance, ld_head','');
INSERT INTO "edition_recipients" VALUES('monthly-2026-10-edition-1','ada@example.org','Ada@example.org','executive_sponsor','');
INSERT INTO "edition_recipients" VALUES('monthly-2026-10-edition-1','ben@example.org','ben@example.org','finance, ld_head','');
INSERT INTO "edition_recipients" VALUES('weekly-2026-W40-edition-1','ada@example.org','Ada@example.org','executive_sponsor','');
INSERT INTO "edition_recipients" VALUES('monthly_kit-2026-10-edition-1','ada@example.org','Ada@example.org','sponsor','0a1b2c');
INSERT INTO "edition_recipients" VALUES('monthly_kit-2026-10-edition-1','ada@example.org','Ada@example.org','sponsor','3d4e5f');
CREATE TABLE editions (
	edition_id VARCHAR(64) NOT NULL, 
	intent_id INTEGER NOT NULL, 
	ritual VARCHAR(16) NOT NULL, 
	period_id VARCHAR(16) NOT NULL, 
	number INTEGER NOT NULL, 
	sealed_at DATETIME NOT NULL, 
	folder TEXT NOT NULL, 
	content_hash VARCHAR(64) NOT NULL, 
	figures_hash VARCHAR(64) NOT NULL, 
	manifest_hash VARCHAR(64) NOT NULL, 
	settings_hash VARCHAR(64) NOT NULL, 
	charter_hash VARCHAR(64) NOT NULL, 
	code_version VARCHAR(64) NOT NULL, 
	data_as_of DATE, 
	subject TEXT NOT NULL, 
	restates VARCHAR(64), recorded_at DATETIME, redacted_at DATETIME, sealed_hash VARCHAR(64), 
	CONSTRAINT pk_editions PRIMARY KEY (edition_id), 
	CONSTRAINT uq_editions_ritual_period_id_number UNIQUE (ritual, period_id, number), 
	CONSTRAINT uq_editions_intent_id UNIQUE (intent_id), 
	CONSTRAINT fk_editions_intent_id FOREIGN KEY(intent_id) REFERENCES intents (intent_id), 
	CONSTRAINT fk_editions_restates FOREIGN KEY(restates) REFERENCES editions (edition_id)
);
INSERT INTO "editions" VALUES('monthly-2026-09-edition-1',1,'monthly','2026-09',1,'2026-10-07 06:31:00.000000','editions/monthly/2026-09/edition-1','content-1','figures-1','manifest-1','settings','charter','code-1','2026-09-30','Example: learning adoption review',NULL,'2026-10-07 06:33:00.000000',NULL,NULL);
INSERT INTO "editions" VALUES('monthly-2026-09-edition-2',5,'monthly','2026-09',2,'2026-10-20 08:01:00.000000','editions/monthly/2026-09/edition-2','content-2','figures-2','manifest-2','settings','charter','code-2','2026-09-30','Example: learning adoption review','monthly-2026-09-edition-1','2026-10-20 08:06:00.000000',NULL,NULL);
INSERT INTO "editions" VALUES('monthly-2026-10-edition-1',2,'monthly','2026-10',1,'2026-11-06 07:31:00.000000','editions/monthly/2026-10/edition-1','content-1','figures-1','manifest-1','settings','charter','code-1','2026-09-30','Example: learning adoption review',NULL,NULL,NULL,NULL);
INSERT INTO "editions" VALUES('weekly-2026-W40-edition-1',4,'weekly','2026-W40',1,'2026-10-05 06:31:00.000000','editions/weekly/2026-W40/edition-1','content-1','figures-1','manifest-1','settings','charter','code-1','2026-09-30','Example: learning adoption review',NULL,NULL,NULL,NULL);
INSERT INTO "editions" VALUES('monthly_kit-2026-10-edition-1',6,'monthly_kit','2026-10',1,'2026-11-06 07:31:10.000000','editions/monthly_kit/2026-10/edition-1','content-1','figures-1','manifest-1','settings','charter','code-1','2026-09-30','Example: learning adoption review',NULL,NULL,NULL,NULL);
CREATE TABLE erasures (
	erasure_id INTEGER NOT NULL, 
	person VARCHAR(64) NOT NULL, 
	started_at DATETIME NOT NULL, 
	ended_at DATETIME, 
	readmitted_at DATETIME, 
	CONSTRAINT pk_erasures PRIMARY KEY (erasure_id), 
	CONSTRAINT uq_erasures_person UNIQUE (person)
);
INSERT INTO "erasures" VALUES(1,'abababababababababababababababababababababababababababababababab','2026-10-20 09:00:00.000000','2026-10-20 09:00:05.000000',NULL);
CREATE TABLE incidents (
	incident_id INTEGER NOT NULL, 
	cause VARCHAR(255) NOT NULL, 
	owner VARCHAR(64) NOT NULL, 
	title TEXT NOT NULL, 
	detail TEXT NOT NULL, 
	at_risk TEXT NOT NULL, 
	remedy TEXT NOT NULL, 
	since DATETIME NOT NULL, 
	opened_at DATETIME NOT NULL, 
	seen_at DATETIME NOT NULL, 
	recovered_at DATETIME, 
	CONSTRAINT pk_incidents PRIMARY KEY (incident_id)
);
INSERT INTO "incidents" VALUES(1,'feed people','feed people','the feed people is late','The data ends on 30 September 2026.','The monthly review of October 2026.','Put a whole delivery into the landing folder.','2026-11-04 00:00:00.000000','2026-11-04 00:01:00.000000','2026-11-06 07:00:00.000000',NULL);
INSERT INTO "incidents" VALUES(2,'run ingest','operations','the job ingest failed','It failed once.','No edition due next.','Open the run.','2026-10-01 03:00:00.000000','2026-10-01 03:01:00.000000','2026-10-01 04:00:00.000000','2026-10-01 05:00:00.000000');
CREATE TABLE intents (
	intent_id INTEGER NOT NULL, 
	ritual VARCHAR(16) NOT NULL, 
	period_id VARCHAR(16) NOT NULL, 
	opened_at DATETIME NOT NULL, 
	opened_by VARCHAR(16) NOT NULL, 
	opened_run VARCHAR(64), 
	restates BOOLEAN NOT NULL, 
	status VARCHAR(16) NOT NULL, 
	held_by VARCHAR(16), 
	reason TEXT NOT NULL, 
	updated_at DATETIME NOT NULL, 
	CONSTRAINT pk_intents PRIMARY KEY (intent_id), 
	CONSTRAINT ck_intents_status CHECK (status IN ('open', 'held', 'settled', 'cancelled'))
);
INSERT INTO "intents" VALUES(1,'monthly','2026-09','2026-10-07 06:30:00.000000','schedule',NULL,0,'settled',NULL,'','2026-10-07 06:32:10.120000');
INSERT INTO "intents" VALUES(2,'monthly','2026-10','2026-11-06 07:30:00.000000','schedule',NULL,0,'open',NULL,'','2026-11-06 07:30:00.000000');
INSERT INTO "intents" VALUES(3,'quarterly','2026-Q3','2026-10-14 06:30:00.000000','schedule',NULL,0,'held','close','waiting for activity until 16 October 2026.','2026-10-14 06:30:01.000000');
INSERT INTO "intents" VALUES(4,'weekly','2026-W40','2026-10-05 06:30:00.000000','person','run-7',0,'cancelled',NULL,'wrong figures','2026-10-05 09:00:00.000000');
INSERT INTO "intents" VALUES(5,'monthly','2026-09','2026-10-20 08:00:00.000000','person','run-9',1,'settled',NULL,'late rows','2026-10-20 08:05:00.000000');
INSERT INTO "intents" VALUES(6,'monthly_kit','2026-10','2026-11-06 07:30:00.000000','schedule',NULL,0,'open',NULL,'','2026-11-06 07:30:00.000000');
CREATE TABLE keys (
	name VARCHAR(32) NOT NULL, 
	value VARCHAR(128) NOT NULL, 
	CONSTRAINT pk_keys PRIMARY KEY (name)
);
INSERT INTO "keys" VALUES('pseudonyms','0000000000000000000000000000000000000000000000000000000000000000');
CREATE TABLE "ledger" (
	ledger_id INTEGER NOT NULL, 
	message_kind VARCHAR(32) NOT NULL, 
	subject_id VARCHAR(64) NOT NULL, 
	recipient VARCHAR(320) NOT NULL, 
	status VARCHAR(16) NOT NULL, 
	run_id VARCHAR(64), 
	holder VARCHAR(255), 
	lease_until DATETIME, 
	not_before DATETIME, 
	attempts INTEGER NOT NULL, 
	provider_message_id VARCHAR(255), 
	detail TEXT, 
	updated_at DATETIME NOT NULL, 
	letter VARCHAR(64) DEFAULT '' NOT NULL, 
	CONSTRAINT pk_ledger PRIMARY KEY (ledger_id), 
	CONSTRAINT ck_ledger_status CHECK (status IN ('planned', 'sending', 'accepted', 'failed', 'unknown')), 
	CONSTRAINT ck_ledger_status CHECK (status IN ('planned', 'sending', 'accepted', 'failed', 'unknown')), 
	CONSTRAINT uq_ledger_message_kind_subject_id_letter_recipient UNIQUE (message_kind, subject_id, letter, recipient)
);
INSERT INTO "ledger" VALUES(1,'edition','monthly-2026-09-edition-1','ada@example.org','accepted','r1',NULL,NULL,NULL,1,'m-1',NULL,'2026-10-07 06:31:05.000000','');
INSERT INTO "ledger" VALUES(2,'edition','monthly-2026-09-edition-1','ben@example.org','failed','r1',NULL,NULL,NULL,1,NULL,'RCPT TO: 550 no such user','2026-10-07 06:31:06.000000','');
INSERT INTO "ledger" VALUES(3,'edition','monthly-2026-09-edition-2','ada@example.org','accepted','r5',NULL,NULL,NULL,2,'m-3',NULL,'2026-10-20 08:02:00.000000','');
INSERT INTO "ledger" VALUES(4,'edition','monthly-2026-09-edition-2','ben@example.org','unknown','r5',NULL,NULL,NULL,1,NULL,'no reply to the message: TimeoutError','2026-10-20 08:02:30.000000','');
INSERT INTO "ledger" VALUES(5,'edition','monthly-2026-10-edition-1','ada@example.org','sending','r6','gone|1|1|x','2026-11-06 07:32:00.000000',NULL,1,NULL,NULL,'2026-11-06 07:31:30.000000','');
INSERT INTO "ledger" VALUES(6,'edition','monthly-2026-10-edition-1','ben@example.org','planned',NULL,NULL,NULL,'2026-11-06 08:00:00.000000',1,NULL,'429 too many requests','2026-11-06 07:31:40.000000','');
INSERT INTO "ledger" VALUES(7,'edition','monthly_kit-2026-10-edition-1','ada@example.org','accepted','r6',NULL,NULL,NULL,1,'m-7',NULL,'2026-11-06 07:31:50.000000','0a1b2c');
INSERT INTO "ledger" VALUES(8,'edition','monthly_kit-2026-10-edition-1','ada@example.org','planned',NULL,NULL,NULL,NULL,0,NULL,NULL,'2026-11-06 07:31:50.000000','3d4e5f');
INSERT INTO "ledger" VALUES(9,'incident','1','hr@example.org','accepted','watch',NULL,NULL,NULL,1,NULL,NULL,'2026-11-04 00:01:10.000000','opened');
CREATE TABLE provider_events (
	event_id VARCHAR(255) NOT NULL, 
	ledger_id INTEGER NOT NULL, 
	kind VARCHAR(16) NOT NULL, 
	happened_at DATETIME NOT NULL, 
	received_at DATETIME NOT NULL, 
	reason TEXT NOT NULL, 
	applied_at DATETIME, 
	CONSTRAINT pk_provider_events PRIMARY KEY (event_id), 
	CONSTRAINT ck_provider_events_kind CHECK (kind IN ('processed', 'deferred', 'delivered', 'bounce', 'blocked', 'dropped')), 
	CONSTRAINT fk_provider_events_ledger_id FOREIGN KEY(ledger_id) REFERENCES ledger (ledger_id) ON DELETE CASCADE
);
INSERT INTO "provider_events" VALUES('sg-1',1,'delivered','2026-10-07 06:31:20.000000','2026-10-07 06:31:25.000000','','2026-10-07 06:31:25.000000');
INSERT INTO "provider_events" VALUES('sg-2',2,'bounce','2026-10-07 06:31:30.000000','2026-10-07 06:31:35.000000','550 no such user','2026-10-07 06:31:35.000000');
INSERT INTO "provider_events" VALUES('sg-3',5,'processed','2026-11-06 07:31:32.000000','2026-11-06 07:31:33.000000','',NULL);
CREATE TABLE restores (
	restore_id INTEGER NOT NULL, 
	taken_at DATETIME NOT NULL, 
	restored_at DATETIME NOT NULL, 
	CONSTRAINT pk_restores PRIMARY KEY (restore_id)
);
INSERT INTO "restores" VALUES(1,'2026-10-01 02:00:00.000000','2026-10-01 09:00:00.000000');
CREATE UNIQUE INDEX uq_intents_pending ON intents (ritual, period_id) WHERE status IN ('open', 'held');
CREATE UNIQUE INDEX uq_incidents_open ON incidents (cause) WHERE recovered_at IS NULL;
CREATE INDEX ix_provider_events_ledger_id ON provider_events (ledger_id);
COMMIT;
