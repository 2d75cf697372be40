#!/bin/sh
# Takes back what database-issue.sh has lent, and ends the sessions that still use it. A `revoke` command of [[datasets]].
#
#   database-revoke.sh "host=/run/postgresql dbname=cohort user=lender passfile=/etc/daybook/pgpass"
#
# What was printed comes on the standard input and is not needed. The lender also has the role pg_signal_backend.
set -eu
exec psql -AtqX -v ON_ERROR_STOP=1 -v job="$DAYBOOK_JOB" -v dataset="$DAYBOOK_DATASET" "$1" >/dev/null <<'SQL'
SELECT 'run_' || md5(:'job' || :'dataset') AS role \gset
SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = :'role';
DROP ROLE IF EXISTS :"role";
SQL
