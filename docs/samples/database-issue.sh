#!/bin/sh
# Lends one run a role of its own that can read, and prints how to log in with it. An `issue` command of [[datasets]].
#
#   database-issue.sh "host=/run/postgresql dbname=cohort user=lender passfile=/etc/daybook/pgpass" READERS
#
# READERS is the role that may read what a run may read. The lender has CREATEROLE, and may grant READERS. The name of the
# run's role follows from job and dataset, so that database-revoke.sh finds it even where this was interrupted.
set -eu
exec psql -AtqX -v ON_ERROR_STOP=1 -v job="$DAYBOOK_JOB" -v dataset="$DAYBOOK_DATASET" \
  -v seconds="$DAYBOOK_SECONDS" -v readers="$2" "$1" <<'SQL'
SELECT 'run_' || md5(:'job' || :'dataset') AS role,
       gen_random_uuid()::text || gen_random_uuid() AS password,
       now() + make_interval(secs => :seconds) AS until \gset
CREATE ROLE :"role" LOGIN PASSWORD :'password' VALID UNTIL :'until' CONNECTION LIMIT 10 IN ROLE :"readers";
\echo host=:HOST port=:PORT dbname=:DBNAME user=:role password=:password
SQL
