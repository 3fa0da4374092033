PRAGMA foreign_keys=OFF;
BEGIN TRANSACTION;
CREATE TABLE IF NOT EXISTS "kysely_migration" ("name" varchar(255) not null primary key, "timestamp" varchar(255) not null);
INSERT INTO kysely_migration VALUES('0001-initial','2026-11-25T22:32:54.028Z');
INSERT INTO kysely_migration VALUES('0002-organizations','2026-11-25T22:32:54.055Z');
INSERT INTO kysely_migration VALUES('0003-grants-by-place','2026-11-25T22:32:54.062Z');
INSERT INTO kysely_migration VALUES('0004-invitations','2026-11-25T22:32:54.072Z');
INSERT INTO kysely_migration VALUES('0005-credentials','2026-11-25T22:32:54.082Z');
INSERT INTO kysely_migration VALUES('0006-providers','2026-11-25T22:32:54.092Z');
INSERT INTO kysely_migration VALUES('0007-sessions','2026-11-25T22:32:54.114Z');
INSERT INTO kysely_migration VALUES('0008-email','2026-11-25T22:32:54.115Z');
INSERT INTO kysely_migration VALUES('0008-sign-up','2026-11-25T22:32:54.132Z');
INSERT INTO kysely_migration VALUES('0008-trust-rules','2026-11-25T22:32:54.133Z');
INSERT INTO kysely_migration VALUES('0009-audit','2026-11-25T22:32:54.175Z');
INSERT INTO kysely_migration VALUES('0010-decision-points','2026-11-25T22:32:54.201Z');
CREATE TABLE IF NOT EXISTS "kysely_migration_lock" ("id" varchar(255) not null primary key, "is_locked" integer default 0 not null);
INSERT INTO kysely_migration_lock VALUES('migration_lock',0);
CREATE TABLE users (
      id integer primary key autoincrement,
      username text not null unique,
      password_hash text,
      is_admin integer not null check (is_admin in (0, 1)),
      is_disabled integer not null check (is_disabled in (0, 1)),
      created_at_ms integer not null
    , kind text not null default 'person', is_auditor integer not null default 0 check (is_auditor in (0, 1)), created_by text, full_name text, email text, email_verified_at_ms integer, namespace_id integer references namespaces (id) on delete cascade, issuer_user_id integer references users (id) on delete cascade, external_id text, description text not null default '', metadata text not null default '{}', expires_at_ms integer, last_sign_in_at_ms integer, mfa_at_ms integer) strict;
INSERT INTO users VALUES(1,'admin','$argon2id$v=19$m=19456,t=2,p=1$IBjtryieh6j+UJImLbi9tQ$ioeBCZbIUmcOCCPyzv/c/umS++HBn9t/ndbHJEsJ6dk',1,0,1795645974849,'person',0,NULL,NULL,NULL,NULL,NULL,NULL,NULL,'','{}',NULL,NULL,NULL);
INSERT INTO users VALUES(2,'acme+ci',NULL,0,0,1795645977575,'robot',0,'admin',NULL,NULL,NULL,2,NULL,NULL,'','{}',NULL,NULL,NULL);
CREATE TABLE namespaces (
      id integer primary key autoincrement,
      name text not null unique,
      kind text not null,
      owner_user_id integer references users (id),
      default_visibility text not null,
      create_on_push integer not null check (create_on_push in (0, 1)),
      created_at_ms integer not null
    , display_name text, description text not null default '', email text, requires_mfa integer not null default 0 check (requires_mfa in (0, 1))) strict;
INSERT INTO namespaces VALUES(1,'admin','user',1,'private',1,1795645974849,NULL,'',NULL,0);
INSERT INTO namespaces VALUES(2,'acme','organization',NULL,'private',1,1795645976760,NULL,'',NULL,0);
CREATE TABLE repositories (
      id integer primary key autoincrement,
      name text not null unique,
      namespace_id integer not null references namespaces (id),
      visibility text not null,
      created_at_ms integer not null
    , state text not null default 'active', description text not null default '') strict;
INSERT INTO repositories VALUES(1,'acme/app',2,'private',1795645977665,'active','');
CREATE TABLE access_tokens (
      id integer primary key autoincrement,
      user_id integer not null references users (id) on delete cascade,
      name text not null,
      public_id text not null unique,
      scopes text,
      created_at_ms integer not null,
      expires_at_ms integer,
      last_used_at_ms integer, kind text not null default 'personal', description text not null default '', networks text, not_before_ms integer, last_used_address text,
      unique (user_id, name)
    ) strict;
INSERT INTO access_tokens VALUES(1,2,'ci','NURJTs9lBqBLFGEnSgSWD1',NULL,1795645977602,NULL,NULL,'robot','',NULL,NULL,NULL);
CREATE TABLE refresh_tokens (
      id integer primary key autoincrement,
      user_id integer not null references users (id) on delete cascade,
      access_token_id integer references access_tokens (id) on delete cascade,
      service text not null,
      client_id text not null,
      secret_hash text not null unique,
      created_at_ms integer not null,
      last_used_at_ms integer
    ) strict;
CREATE TABLE signing_keys (
      kid text not null primary key,
      private_jwk text not null,
      public_jwk text not null,
      created_at_ms integer not null,
      retires_at_ms integer not null,
      expires_at_ms integer not null
    ) strict, without rowid;
CREATE TABLE blobs (
      id integer primary key autoincrement,
      digest text not null unique,
      size_bytes integer not null check (size_bytes >= 0),
      location text not null,
      created_at_ms integer not null,
      unreferenced_since_ms integer
    ) strict;
INSERT INTO blobs VALUES(1,'sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a',2,'sha256/44/44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a.4deef5e1-089a-4d1b-bf2d-34438b1dd697',1795645977679,NULL);
CREATE TABLE repository_blobs (
      repository_id integer not null references repositories (id) on delete cascade,
      digest text not null,
      blob_id integer not null references blobs (id) on delete restrict,
      unreferenced_since_ms integer,
      primary key (repository_id, digest)
    ) strict, without rowid;
INSERT INTO repository_blobs VALUES(1,'sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a',1,NULL);
CREATE TABLE uploads (
      id text not null primary key,
      repository_id integer not null references repositories (id) on delete cascade,
      algorithm text not null,
      offset_bytes integer not null check (offset_bytes >= 0),
      digest_so_far text not null,
      committing_digest text,
      claimed_by text,
      claimed_until_ms integer not null,
      created_at_ms integer not null,
      updated_at_ms integer not null
    , begun_with text) strict, without rowid;
CREATE TABLE blob_deletions (
      location text not null primary key,
      digest text not null,
      size_bytes integer not null check (size_bytes >= 0),
      not_before_ms integer not null
    ) strict, without rowid;
CREATE TABLE manifests (
      id integer primary key autoincrement,
      repository_id integer not null references repositories (id) on delete cascade,
      digest text not null,
      media_type text not null,
      artifact_type text,
      subject_digest text,
      size_bytes integer not null check (size_bytes >= 0),
      created_at_ms integer not null,
      unreferenced_since_ms integer,
      orphaned integer not null check (orphaned in (0, 1)),
      annotations text not null,
      body blob not null,
      unique (repository_id, digest)
    ) strict;
INSERT INTO manifests VALUES(1,1,'sha256:1ccb399e44f3e0ec86bb1a95031c6b9f81ac77860556a81a90acb79bab8005d9','application/vnd.oci.image.manifest.v1+json','application/vnd.oci.empty.v1+json',NULL,239,1795645977694,NULL,0,'{}',X'7b22736368656d6156657273696f6e223a322c226d6564696154797065223a226170706c69636174696f6e2f766e642e6f63692e696d6167652e6d616e69666573742e76312b6a736f6e222c22636f6e666967223a7b226d6564696154797065223a226170706c69636174696f6e2f766e642e6f63692e656d7074792e76312b6a736f6e222c22646967657374223a227368613235363a34343133366661333535623336373861313134366164313666376538363439653934666234666332316665373765383331306330363066363163616166663861222c2273697a65223a327d2c226c6179657273223a5b5d7d');
CREATE TABLE manifest_references (
      manifest_id integer not null references manifests (id) on delete cascade,
      repository_id integer not null,
      digest text not null,
      kind text not null,
      primary key (manifest_id, digest, kind)
    ) strict, without rowid;
INSERT INTO manifest_references VALUES(1,1,'sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a','blob');
CREATE TABLE tags (
      repository_id integer not null references repositories (id) on delete cascade,
      name text not null,
      manifest_id integer not null references manifests (id),
      updated_at_ms integer not null,
      primary key (repository_id, name)
    ) strict, without rowid;
INSERT INTO tags VALUES(1,'v1',1,1795645977694);
CREATE TABLE tag_history (
      id integer primary key autoincrement,
      repository_id integer not null references repositories (id) on delete cascade,
      tag text not null,
      digest_before text,
      digest_after text,
      actor text not null,
      at_ms integer not null
    ) strict;
INSERT INTO tag_history VALUES(1,1,'v1',NULL,'sha256:1ccb399e44f3e0ec86bb1a95031c6b9f81ac77860556a81a90acb79bab8005d9','admin',1795645977694);
CREATE TABLE events (
      id integer primary key autoincrement,
      at_ms integer not null,
      kind text not null,
      repository text,
      actor text not null,
      payload text not null
    ) strict;
INSERT INTO events VALUES(1,1795645977665,'repository.created','acme/app','admin','{"visibility":"private"}');
INSERT INTO events VALUES(2,1795645977694,'manifest.pushed','acme/app','admin','{"digest":"sha256:1ccb399e44f3e0ec86bb1a95031c6b9f81ac77860556a81a90acb79bab8005d9","mediaType":"application/vnd.oci.image.manifest.v1+json","sizeBytes":239}');
INSERT INTO events VALUES(3,1795645977694,'tag.updated','acme/app','admin','{"tag":"v1","digest":"sha256:1ccb399e44f3e0ec86bb1a95031c6b9f81ac77860556a81a90acb79bab8005d9","before":null}');
CREATE TABLE leases (
      name text not null primary key,
      holder text not null,
      expires_at_ms integer not null
    ) strict, without rowid;
CREATE TABLE counters (
      name text not null primary key,
      value integer not null
    ) strict, without rowid;
INSERT INTO counters VALUES('access',5);
INSERT INTO counters VALUES('decisions',0);
CREATE TABLE teams (
      id integer primary key autoincrement,
      namespace_id integer not null references namespaces (id) on delete cascade,
      name text not null,
      role text not null,
      description text not null,
      created_at_ms integer not null,
      unique (namespace_id, name)
    ) strict;
INSERT INTO teams VALUES(1,2,'owners','admin','',1795645976760);
INSERT INTO teams VALUES(2,2,'release','member','',1795645977345);
CREATE TABLE team_members (
      team_id integer not null references teams (id) on delete cascade,
      user_id integer not null references users (id) on delete cascade,
      origin text not null,
      added_at_ms integer not null,
      primary key (team_id, user_id)
    ) strict, without rowid;
INSERT INTO team_members VALUES(1,1,'manual',1795645976760);
CREATE TABLE grants (
      id integer primary key autoincrement,
      namespace_id integer references namespaces (id) on delete cascade,
      repository_id integer references repositories (id) on delete cascade,
      pattern text,
      prefix text,
      user_id integer references users (id) on delete cascade,
      team_id integer references teams (id) on delete cascade,
      role text not null,
      expires_at_ms integer,
      elevation_id integer,
      created_at_ms integer not null,
      created_by text,
      check ((repository_id is null) <> (pattern is null)),
      check ((pattern is null) = (prefix is null)),
      check ((user_id is null) <> (team_id is null))
    ) strict;
CREATE TABLE default_grants (
      id integer primary key autoincrement,
      namespace_id integer not null references namespaces (id) on delete cascade,
      creator_user_id integer references users (id) on delete cascade,
      user_id integer references users (id) on delete cascade,
      team_id integer references teams (id) on delete cascade,
      role text not null,
      created_at_ms integer not null,
      check ((user_id is null) <> (team_id is null))
    ) strict;
CREATE TABLE namespace_aliases (
      name text not null primary key,
      namespace_id integer references namespaces (id) on delete cascade,
      created_at_ms integer not null
    ) strict, without rowid;
CREATE TABLE repository_aliases (
      name text not null primary key,
      repository_id integer not null references repositories (id) on delete cascade,
      created_at_ms integer not null
    ) strict, without rowid;
CREATE TABLE audit_entries (
      id integer primary key autoincrement,
      at_ms integer not null,
      action text not null,
      outcome text not null,
      actor text not null,
      actor_user_id integer,
      credential text,
      credential_id integer,
      address text,
      user_agent text,
      request_id text,
      namespace text,
      repository text,
      target text not null,
      before text,
      after text,
      detail text
    , elevations text, sequence integer, hash text) strict;
INSERT INTO audit_entries VALUES(1,1795645974849,'user.create','succeeded','registry',NULL,NULL,NULL,NULL,NULL,NULL,'admin',NULL,'user admin',NULL,'{"isAdmin":true}',NULL,NULL,1,'19fa05462a5db4fe459b84a821a356be8a65d1437655c9ce45f41aba0f580814');
INSERT INTO audit_entries VALUES(2,1795645976760,'organization.create','succeeded','admin',1,'password',NULL,'127.0.0.1','node','71c0837d-613d-49d0-8027-6d0d919f0bea','acme',NULL,'organization acme',NULL,'{"name":"acme","kind":"organization","displayName":null,"description":"","email":null,"defaultVisibility":"private","createOnPush":true,"createdAtMs":1795645976760}',NULL,NULL,2,'3ae7de4348c5a56b18c2527caf41203d7519b9e2fe17be6f60a5b4d042a3ae71');
INSERT INTO audit_entries VALUES(3,1795645976842,'audit.anchor','succeeded','registry',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,'audit entry 2',NULL,NULL,'{"sequence":2,"hash":"3ae7de4348c5a56b18c2527caf41203d7519b9e2fe17be6f60a5b4d042a3ae71","atMs":1795645976842,"signature":"PHsNJb4E7bMR2FOvMvWC-w8U_g1e7YVKSzc-QSOJRiYGBazmVck_Jw8ylPAb3OtoovJd-myRufnoZ19PK1_rBw"}',NULL,3,'d835fae433cbfc909749bbcfc0d6caee3b54de691a566b1c96d6e035ea41dd1c');
INSERT INTO audit_entries VALUES(4,1795645977345,'team.create','succeeded','admin',1,'password',NULL,'127.0.0.1','node','08a3a4dd-7e91-46be-ab58-f39bf0c99271','acme',NULL,'team acme/release',NULL,'{"name":"release","role":"member","description":""}',NULL,NULL,4,'1223d9742fbce4a71d341e009ed7c456f83589728a57928eaa0a703a7b8e0d48');
INSERT INTO audit_entries VALUES(5,1795645977575,'robot.create','succeeded','admin',1,'password',NULL,'127.0.0.1','node','95ca4188-88b1-4719-96cc-2d9de76c1740','acme',NULL,'robot acme+ci',NULL,'{"description":"","metadata":{},"isDisabled":false}',NULL,NULL,5,'e47611b12020c8134ddf86c408b5b237738a46049d506ce88d7296ed229dcf94');
INSERT INTO audit_entries VALUES(6,1795645977665,'repository.create','succeeded','admin',1,'password',NULL,'127.0.0.1','node','fd95eac3-c0bb-4e03-9e7e-4d6e23737270','acme','acme/app','repository acme/app',NULL,'{"visibility":"private","description":""}',NULL,NULL,6,'bc0019c770b83556c7d6dabdd5bb28424b313e2b8522b6b3cdae88e50ddb3b4c');
INSERT INTO audit_entries VALUES(7,1795645977694,'manifest.push','succeeded','admin',1,'password',NULL,'127.0.0.1','node','19c0e032-7836-4e15-809f-ac531b19ee99','acme','acme/app','manifest acme/app@sha256:1ccb399e44f3e0ec86bb1a95031c6b9f81ac77860556a81a90acb79bab8005d9','{"tags":{"v1":null}}','{"digest":"sha256:1ccb399e44f3e0ec86bb1a95031c6b9f81ac77860556a81a90acb79bab8005d9","tags":["v1"],"mediaType":"application/vnd.oci.image.manifest.v1+json","sizeBytes":239}',NULL,NULL,7,'8cdeaedfa3c9e5848495cd587eb1d9e9744a70a83d7b39149e2fa6d6c0c8ab89');
INSERT INTO audit_entries VALUES(8,1795645976817,'sign-in','succeeded','admin',1,'password',NULL,'127.0.0.1','node','71c0837d-613d-49d0-8027-6d0d919f0bea',NULL,NULL,'user admin',NULL,NULL,NULL,NULL,8,'87bc36c6014f142451f186ebb10d196c6ab6e890914a39b1a2c904f36c1dace7');
CREATE TABLE facts (
      name text not null primary key,
      value text not null
    ) strict, without rowid;
INSERT INTO facts VALUES('audit-signing-key','v1.03d5dc704afd.ndyoXvNUUF2n962mYXEqjVESzEEWrouwyapDh22GWh2UtGqG4MBbnIsDrKszsudVicbGKaZgBgfQCXcRZNYUrBUPDz4keCFdmcFOIopF5KkX13gvSV_QpAby0qhoqQdjEFQ-RqsggZ1wA8Ahn3886v6iE8wfeptPO0Yf_sxjDNntclNp_UPCcWU5xDl0JbGAkkzm');
INSERT INTO facts VALUES('secret-key','03d5dc704afd');
CREATE TABLE invitations (
      id integer primary key autoincrement,
      namespace_id integer not null references namespaces (id) on delete cascade,
      team_id integer not null references teams (id) on delete cascade,
      email text,
      user_id integer references users (id) on delete cascade,
      secret_hash text not null unique,
      invited_by text not null,
      created_at_ms integer not null,
      expires_at_ms integer not null,
      check ((email is null) <> (user_id is null))
    ) strict;
CREATE TABLE access_token_secrets (
      id integer primary key autoincrement,
      access_token_id integer not null references access_tokens (id) on delete cascade,
      secret_hash text not null unique,
      is_legacy integer not null check (is_legacy in (0, 1)),
      created_at_ms integer not null,
      expires_at_ms integer
    ) strict;
INSERT INTO access_token_secrets VALUES(1,1,'787bd7965289f8cfe5244e4c0c560f46a0ddb5de2740531c0e07ec428c02b48f',0,1795645977602,NULL);
CREATE TABLE issuers (
      user_id integer not null primary key references users (id) on delete cascade,
      repositories text not null,
      actions text not null,
      max_lifetime_seconds integer,
      max_active integer,
      require_expiry integer not null check (require_expiry in (0, 1)),
      networks text
    ) strict, without rowid;
CREATE TABLE issued_labels (
      issuer_user_id integer not null references users (id) on delete cascade,
      name text not null,
      value text not null,
      user_id integer not null references users (id) on delete cascade,
      primary key (issuer_user_id, name, value, user_id)
    ) strict, without rowid;
CREATE TABLE credential_usage (
      access_token_id integer not null references access_tokens (id) on delete cascade,
      day integer not null,
      repository text not null,
      pulls integer not null,
      pushes integer not null,
      bytes_out integer not null,
      bytes_in integer not null,
      primary key (access_token_id, day, repository)
    ) strict, without rowid;
CREATE TABLE sign_in_providers (
      id integer primary key autoincrement,
      name text not null unique,
      kind text not null,
      display_name text not null,
      position integer not null,
      is_enabled integer not null check (is_enabled in (0, 1)),
      policy text not null,
      settings text not null,
      secrets text,
      created_at_ms integer not null,
      updated_at_ms integer not null,
      synced_at_ms integer,
      sync_report text
    ) strict;
CREATE TABLE identities (
      id integer primary key autoincrement,
      provider_id integer not null references sign_in_providers (id) on delete cascade,
      subject text not null,
      user_id integer not null references users (id) on delete cascade,
      username text not null,
      email text,
      is_governing integer not null check (is_governing in (0, 1)),
      gives_admin integer not null check (gives_admin in (0, 1)),
      gives_auditor integer not null check (gives_auditor in (0, 1)),
      is_restricted integer not null check (is_restricted in (0, 1)),
      lost_at_ms integer,
      has_disabled_user integer not null check (has_disabled_user in (0, 1)),
      created_at_ms integer not null,
      confirmed_at_ms integer not null,
      last_sign_in_at_ms integer,
      unique (provider_id, subject)
    ) strict;
CREATE TABLE identity_groups (
      identity_id integer not null references identities (id) on delete cascade,
      name text not null,
      primary key (identity_id, name)
    ) strict, without rowid;
CREATE TABLE team_bindings (
      team_id integer not null references teams (id) on delete cascade,
      provider_id integer not null references sign_in_providers (id) on delete cascade,
      group_name text not null,
      created_at_ms integer not null,
      primary key (team_id, provider_id, group_name)
    ) strict, without rowid;
CREATE TABLE sessions (
      id integer primary key autoincrement,
      user_id integer not null references users (id) on delete cascade,
      secret_hash text not null unique,
      password_epoch text not null,
      method text not null,
      amr text not null,
      created_at_ms integer not null,
      last_seen_at_ms integer not null,
      authenticated_at_ms integer not null,
      mfa_at_ms integer,
      expires_at_ms integer not null,
      address text not null,
      user_agent text
    ) strict;
CREATE TABLE totp_seeds (
      user_id integer not null primary key references users (id) on delete cascade,
      seed text not null,
      last_counter integer not null,
      created_at_ms integer not null,
      last_used_at_ms integer
    ) strict;
CREATE TABLE security_keys (
      id integer primary key autoincrement,
      user_id integer not null references users (id) on delete cascade,
      name text not null,
      credential_id text not null unique,
      public_key text not null,
      counter integer not null,
      transports text not null,
      created_at_ms integer not null,
      last_used_at_ms integer,
      unique (user_id, name)
    ) strict;
CREATE TABLE recovery_codes (
      user_id integer not null references users (id) on delete cascade,
      code_hash text not null,
      created_at_ms integer not null,
      primary key (user_id, code_hash)
    ) strict, without rowid;
CREATE TABLE used_tickets (
      id text not null primary key,
      expires_at_ms integer not null
    ) strict, without rowid;
CREATE TABLE sign_in_networks (
      user_id integer not null references users (id) on delete cascade,
      network text not null,
      last_at_ms integer not null,
      primary key (user_id, network)
    ) strict, without rowid;
INSERT INTO sign_in_networks VALUES(1,'688540cc1c05a5d27553c1e3b851ef696cb8643e3dd400d1b4b720b8c0b7a7e6',1795645975134);
CREATE TABLE mails (
      id integer primary key autoincrement,
      recipient text not null,
      kind text not null,
      sealed_data text,
      state text not null,
      attempts integer not null,
      created_at_ms integer not null,
      next_attempt_at_ms integer not null,
      useless_after_ms integer,
      sent_at_ms integer,
      last_error text
    ) strict;
CREATE TABLE sign_ups (
      id integer primary key autoincrement,
      username text not null,
      email text not null,
      password_hash text not null,
      token_hash text not null unique,
      created_at_ms integer not null,
      expires_at_ms integer not null
    ) strict;
CREATE TABLE account_links (
      id integer primary key autoincrement,
      kind text not null,
      user_id integer not null references users (id) on delete cascade,
      token_hash text not null unique,
      email text,
      created_at_ms integer not null,
      expires_at_ms integer not null
    ) strict;
CREATE TABLE trust_rules (
      id integer primary key autoincrement,
      namespace_id integer references namespaces (id) on delete cascade,
      name text not null,
      issuer text not null,
      jwks_url text,
      jwks text,
      certificate_authority text,
      audience text not null,
      claims text not null,
      user_id integer not null references users (id) on delete cascade,
      scopes text,
      max_lifetime_seconds integer not null,
      is_one_time integer not null check (is_one_time in (0, 1)),
      is_disabled integer not null check (is_disabled in (0, 1)),
      created_at_ms integer not null,
      created_by text not null,
      last_used_at_ms integer
    ) strict;
CREATE TABLE spent_tokens (
      rule_id integer not null references trust_rules (id) on delete cascade,
      token_id_hash text not null,
      expires_at_ms integer not null,
      primary key (rule_id, token_id_hash)
    ) strict, without rowid;
CREATE TABLE audit_chain (
      id integer not null primary key check (id = 1),
      sequence integer not null,
      hash text not null,
      sealed_at_ms integer not null,
      signature text not null,
      pruned_sequence integer not null,
      pruned_hash text not null,
      pruned_at_ms integer not null,
      pruned_signature text not null,
      anchored_sequence integer not null,
      anchored_at_ms integer not null
    ) strict, without rowid;
INSERT INTO audit_chain VALUES(1,8,'87bc36c6014f142451f186ebb10d196c6ab6e890914a39b1a2c904f36c1dace7',1795645978107,'DDS6zMDeBCA0mFhts4RDFCViM7pSq4Zcu31J08_40G3QtbjbnUczNVwY3Zzc6tE7b6EUJX8cfqmfn1lMyywcDw',0,'0000000000000000000000000000000000000000000000000000000000000000',0,'',2,1795645976842);
CREATE TABLE audit_forwarders (
      id integer primary key autoincrement,
      name text not null unique,
      kind text not null,
      settings text not null,
      secret text,
      is_enabled integer not null check (is_enabled in (0, 1)),
      sent_sequence integer not null,
      sent_at_ms integer,
      failures integer not null,
      next_attempt_at_ms integer not null,
      last_error text,
      created_at_ms integer not null,
      created_by text not null
    ) strict;
CREATE TABLE elevation_roles (
      id integer primary key autoincrement,
      namespace_id integer references namespaces (id) on delete cascade,
      name text not null,
      description text not null,
      is_administrator integer not null check (is_administrator in (0, 1)),
      grants text not null,
      max_duration_seconds integer not null,
      requires_approval integer not null check (requires_approval in (0, 1)),
      alert_mail text not null,
      alert_url text,
      alert_secret text,
      mailed_sequence integer not null,
      posted_sequence integer not null,
      post_failures integer not null,
      next_post_at_ms integer not null,
      created_at_ms integer not null,
      created_by text not null,
      check (namespace_id is null or is_administrator = 0)
    ) strict;
CREATE TABLE elevation_role_members (
      id integer primary key autoincrement,
      role_id integer not null references elevation_roles (id) on delete cascade,
      may text not null,
      user_id integer references users (id) on delete cascade,
      team_id integer references teams (id) on delete cascade,
      check ((user_id is null) <> (team_id is null))
    ) strict;
CREATE TABLE elevations (
      id integer primary key autoincrement,
      role_id integer not null references elevation_roles (id) on delete cascade,
      user_id integer not null references users (id) on delete cascade,
      status text not null,
      reason text not null,
      duration_seconds integer not null,
      is_administrator integer not null check (is_administrator in (0, 1)),
      requested_at_ms integer not null,
      expires_at_ms integer not null,
      decided_at_ms integer,
      decided_by text,
      decision_reason text,
      ended_at_ms integer,
      ended_by text
    ) strict;
CREATE TABLE decision_points (
      id integer primary key autoincrement,
      name text not null unique,
      pattern text not null unique,
      url text not null,
      secret text not null,
      timeout_ms integer not null,
      serve_stale_seconds integer not null,
      max_concurrent integer not null,
      allows_anonymous integer not null check (allows_anonymous in (0, 1)),
      answers_login integer not null check (answers_login in (0, 1)),
      revision integer not null,
      created_at_ms integer not null,
      created_by text not null
    ) strict;
CREATE TABLE decision_invalidations (
      id integer not null primary key,
      point_id integer not null,
      kind text not null,
      subject text not null,
      at_ms integer not null
    ) strict, without rowid;
CREATE TABLE token_issuers (
      id integer primary key autoincrement,
      name text not null unique,
      issuer text not null,
      audience text not null,
      algorithms text not null,
      clock_skew_seconds integer not null,
      patterns text not null,
      jwks_url text,
      keys text,
      roots text,
      realm text,
      created_at_ms integer not null,
      created_by text not null,
      unique (issuer, audience)
    ) strict;
DELETE FROM sqlite_sequence;
INSERT INTO sqlite_sequence VALUES('grants',0);
INSERT INTO sqlite_sequence VALUES('access_token_secrets',1);
INSERT INTO sqlite_sequence VALUES('users',2);
INSERT INTO sqlite_sequence VALUES('namespaces',3);
INSERT INTO sqlite_sequence VALUES('audit_entries',8);
INSERT INTO sqlite_sequence VALUES('teams',2);
INSERT INTO sqlite_sequence VALUES('access_tokens',1);
INSERT INTO sqlite_sequence VALUES('repositories',1);
INSERT INTO sqlite_sequence VALUES('events',3);
INSERT INTO sqlite_sequence VALUES('blobs',1);
INSERT INTO sqlite_sequence VALUES('manifests',1);
INSERT INTO sqlite_sequence VALUES('tag_history',1);
CREATE INDEX namespaces_owner on namespaces (owner_user_id) where owner_user_id is not null;
CREATE INDEX repositories_namespace on repositories (namespace_id);
CREATE INDEX refresh_tokens_user on refresh_tokens (user_id);
CREATE INDEX refresh_tokens_access_token on refresh_tokens (access_token_id) where access_token_id is not null;
CREATE INDEX blobs_unreferenced on blobs (unreferenced_since_ms) where unreferenced_since_ms is not null;
CREATE INDEX repository_blobs_blob on repository_blobs (blob_id);
CREATE INDEX repository_blobs_unreferenced on repository_blobs (unreferenced_since_ms) where unreferenced_since_ms is not null;
CREATE INDEX uploads_repository on uploads (repository_id);
CREATE INDEX uploads_updated on uploads (updated_at_ms);
CREATE INDEX blob_deletions_not_before on blob_deletions (not_before_ms);
CREATE INDEX manifests_subject on manifests (repository_id, subject_digest, id) where subject_digest is not null;
CREATE INDEX manifests_unreferenced on manifests (orphaned, unreferenced_since_ms) where unreferenced_since_ms is not null;
CREATE INDEX manifest_references_digest on manifest_references (repository_id, digest);
CREATE INDEX tags_manifest on tags (manifest_id);
CREATE INDEX tag_history_tag on tag_history (repository_id, tag, id);
CREATE INDEX events_at on events (at_ms);
CREATE UNIQUE INDEX users_email on users (email) where email is not null;
CREATE INDEX users_namespace on users (namespace_id) where namespace_id is not null;
CREATE UNIQUE INDEX users_external on users (issuer_user_id, external_id) where external_id is not null;
CREATE INDEX users_issuer on users (issuer_user_id, id) where issuer_user_id is not null;
CREATE INDEX team_members_user on team_members (user_id);
CREATE UNIQUE INDEX grants_user_repository on grants (user_id, repository_id) where user_id is not null and repository_id is not null and elevation_id is null;
CREATE UNIQUE INDEX grants_team_repository on grants (team_id, repository_id) where team_id is not null and repository_id is not null and elevation_id is null;
CREATE UNIQUE INDEX grants_user_pattern on grants (user_id, pattern) where user_id is not null and pattern is not null and elevation_id is null;
CREATE UNIQUE INDEX grants_team_pattern on grants (team_id, pattern) where team_id is not null and pattern is not null and elevation_id is null;
CREATE INDEX grants_of_user on grants (user_id, prefix) where user_id is not null;
CREATE INDEX grants_of_team on grants (team_id, prefix) where team_id is not null;
CREATE INDEX grants_repository on grants (repository_id) where repository_id is not null;
CREATE INDEX grants_namespace on grants (namespace_id, id);
CREATE INDEX grants_elevation on grants (elevation_id) where elevation_id is not null;
CREATE INDEX default_grants_namespace on default_grants (namespace_id);
CREATE INDEX namespace_aliases_namespace on namespace_aliases (namespace_id) where namespace_id is not null;
CREATE INDEX repository_aliases_repository on repository_aliases (repository_id);
CREATE INDEX grants_of_user_on_repository on grants (user_id, repository_id) where user_id is not null and repository_id is not null;
CREATE INDEX grants_of_team_on_repository on grants (team_id, repository_id) where team_id is not null and repository_id is not null;
CREATE INDEX invitations_namespace on invitations (namespace_id, id);
CREATE UNIQUE INDEX invitations_email on invitations (team_id, email) where email is not null;
CREATE UNIQUE INDEX invitations_user_team on invitations (team_id, user_id) where user_id is not null;
CREATE INDEX invitations_team on invitations (team_id);
CREATE INDEX invitations_user on invitations (user_id) where user_id is not null;
CREATE INDEX invitations_expiry on invitations (expires_at_ms);
CREATE INDEX grants_expiry on grants (expires_at_ms) where expires_at_ms is not null;
CREATE INDEX default_grants_creator on default_grants (creator_user_id) where creator_user_id is not null;
CREATE INDEX default_grants_user on default_grants (user_id) where user_id is not null;
CREATE INDEX default_grants_team on default_grants (team_id) where team_id is not null;
CREATE INDEX access_token_secrets_token on access_token_secrets (access_token_id);
CREATE INDEX access_token_secrets_expiry on access_token_secrets (expires_at_ms) where expires_at_ms is not null;
CREATE INDEX access_tokens_expiry on access_tokens (expires_at_ms) where expires_at_ms is not null;
CREATE INDEX issued_labels_user on issued_labels (user_id);
CREATE INDEX credential_usage_day on credential_usage (day);
CREATE INDEX identities_user on identities (user_id);
CREATE INDEX identities_username on identities (provider_id, username);
CREATE INDEX identity_groups_name on identity_groups (name);
CREATE INDEX team_bindings_provider on team_bindings (provider_id, group_name);
CREATE INDEX sessions_user on sessions (user_id, id);
CREATE INDEX sessions_expiry on sessions (expires_at_ms);
CREATE INDEX sessions_seen on sessions (last_seen_at_ms);
CREATE INDEX used_tickets_expiry on used_tickets (expires_at_ms);
CREATE INDEX mails_state on mails (state, next_attempt_at_ms);
CREATE INDEX mails_recipient on mails (recipient, created_at_ms);
CREATE INDEX sign_ups_username on sign_ups (username, id);
CREATE INDEX sign_ups_email on sign_ups (email);
CREATE INDEX sign_ups_expiry on sign_ups (expires_at_ms);
CREATE INDEX account_links_user on account_links (user_id);
CREATE INDEX account_links_expiry on account_links (expires_at_ms);
CREATE UNIQUE INDEX trust_rules_name on trust_rules (namespace_id, name) where namespace_id is not null;
CREATE UNIQUE INDEX trust_rules_system_name on trust_rules (name) where namespace_id is null;
CREATE INDEX trust_rules_user on trust_rules (user_id);
CREATE INDEX spent_tokens_expiry on spent_tokens (expires_at_ms);
CREATE UNIQUE INDEX audit_entries_sequence on audit_entries (sequence) where sequence is not null;
CREATE INDEX audit_entries_unsealed on audit_entries (id) where sequence is null;
CREATE INDEX audit_entries_elevated on audit_entries (sequence) where elevations is not null;
CREATE INDEX audit_entries_at on audit_entries (at_ms, id);
CREATE INDEX audit_entries_namespace on audit_entries (namespace, at_ms, id) where namespace is not null;
CREATE INDEX audit_entries_repository on audit_entries (repository, at_ms, id) where repository is not null;
CREATE INDEX audit_entries_actor on audit_entries (actor, at_ms, id);
CREATE TRIGGER audit_entries_update before update on audit_entries
      when not (old.sequence is null and new.sequence is not null and new.hash is not null and (new.id, new.at_ms, new.action, new.outcome, new.actor, new.actor_user_id, new.credential, new.credential_id, new.address, new.user_agent, new.request_id, new.namespace, new.repository, new.target, new.before, new.after, new.detail, new.elevations) is (old.id, old.at_ms, old.action, old.outcome, old.actor, old.actor_user_id, old.credential, old.credential_id, old.address, old.user_agent, old.request_id, old.namespace, old.repository, old.target, old.before, old.after, old.detail, old.elevations))
      begin select raise(abort, 'audit entries are append-only'); end;
CREATE TRIGGER audit_entries_delete before delete on audit_entries
      when old.sequence is null or old.sequence > coalesce((select pruned_sequence from audit_chain where id = 1), 0)
      begin select raise(abort, 'audit entries are append-only'); end;
CREATE UNIQUE INDEX elevation_roles_name on elevation_roles (namespace_id, name) where namespace_id is not null;
CREATE UNIQUE INDEX elevation_roles_system on elevation_roles (name) where namespace_id is null;
CREATE INDEX elevation_role_members_role on elevation_role_members (role_id);
CREATE INDEX elevation_role_members_user on elevation_role_members (user_id) where user_id is not null;
CREATE INDEX elevation_role_members_team on elevation_role_members (team_id) where team_id is not null;
CREATE INDEX elevations_user on elevations (user_id, id);
CREATE INDEX elevations_role on elevations (role_id, id);
CREATE INDEX elevations_open on elevations (expires_at_ms) where status in ('pending', 'active');
CREATE INDEX decision_invalidations_at on decision_invalidations (at_ms);
COMMIT;
