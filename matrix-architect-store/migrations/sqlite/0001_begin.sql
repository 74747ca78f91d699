-- All moments are microseconds since 1970-01-01T00:00:00Z. Everything is found by its tenant first.

-- The hot row: what claims and commits look at. What it cost to get there stands beside it.
create table job (
    number          integer primary key,    -- the order of creation
    tenant          text    not null,
    id              text    not null,
    status          text    not null,
    version         integer not null,
    rules           integer not null,       -- the version of the rules it began with
    priority        integer not null,       -- 0 high, 1 normal, 2 low
    state           text    not null,       -- JobState
    run_at          integer,                -- null: parked or done
    ready_at        integer,                -- the later of run_at and lease_until
    fence           integer not null default 0,
    worker          text,                   -- null: nobody holds it
    lease_until     integer,
    idempotency_key text,
    unique (tenant, id)
) strict;

create unique index job_key on job (tenant, idempotency_key) where idempotency_key is not null;
create index job_newest on job (tenant, number);
create index job_status on job (tenant, status, number);
create index job_ready on job (tenant, priority, ready_at, number) where ready_at is not null;
create index job_leased on job (tenant, lease_until) where lease_until is not null;

-- What clients see: the fold of the events. Its job is looked for as it is written and again at the
-- end, so that a statement of many rows needs no journal of its own.
create table document (
    job  integer primary key references job (number) deferrable initially deferred,
    spec text not null,                     -- JobSpec
    view text not null                      -- Job
) strict;

create table label (
    job   integer not null references job (number),
    name  text    not null,
    value text    not null,
    primary key (job, name)
) strict, without rowid;

-- The truth, and the audit trail: hashed as stored, never rewritten.
create table event (
    job      integer not null references job (number),
    seq      integer not null,
    envelope text    not null,              -- EventEnvelope
    primary key (job, seq)
) strict;

create trigger event_is_never_rewritten before update on event
begin
    select raise(abort, 'an event is never rewritten');
end;

create trigger event_is_never_removed before delete on event
begin
    select raise(abort, 'an event is never removed');
end;

-- The first answers of commits, for whoever repeats one.
create table answer (
    job     integer not null references job (number),
    id      text    not null,
    version integer not null,
    at      integer not null,
    primary key (job, id)
) strict, without rowid;

-- Artifacts that jobs refer to, kept from garbage collection.
create table keep (
    job    integer not null references job (number),
    digest text    not null,
    primary key (job, digest)
) strict, without rowid;

create table outbox (
    number  integer primary key autoincrement,
    id      text    not null unique,
    message text    not null                -- Message
) strict;

-- The leases of requests, for whoever repeats one.
create table granted (
    request text    primary key,
    at      integer not null,
    leases  text    not null                -- [[JobRef, Fence], …]
) strict, without rowid;

create index granted_at on granted (at);

-- The ring of tenants: who was served last stands highest.
create table turn (
    tenant text    primary key,
    place  integer not null
) strict, without rowid;

create index turn_place on turn (place);

-- Tenants whose jobs are not leased; the empty name is all of them.
create table pause (
    tenant text primary key
) strict, without rowid;

create table log (
    number integer primary key autoincrement,
    tenant text    not null,
    job    text    not null,
    name   text    not null,
    fence  integer not null,
    length integer not null,
    sealed text,                            -- the digest of all of it
    unique (tenant, job, name)
) strict;

create table chunk (
    log   integer not null references log (number),
    start integer not null,
    bytes blob    not null,
    primary key (log, start)
) strict;

create table record (
    tenant  text    not null,
    kind    text    not null,
    key     text    not null,
    value   text,                           -- null: deleted; its versions are not used again
    version integer not null,
    primary key (tenant, kind, key)
) strict, without rowid;

create table lock (
    tenant     text    not null,
    name       text    not null,
    fence      integer not null,
    holder     text,                        -- null: let go
    held_until integer not null,
    primary key (tenant, name)
) strict, without rowid;
