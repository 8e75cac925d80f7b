/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The floor under the store: the writes that one execution of the bench's workflow needs (accept, claim, intent with a
 * step, finish with two steps), each as a bare batched UNNEST statement of N rows in its own transaction on one
 * connection, with nothing around it. The tables have the same columns that matter and the same indexes.
 *	floor_pg URL BATCH SECONDS    prints executions a second
 */
#include <libpq-fe.h>

#include "base/clock.h"
#include "base/parse.h"

#include "base/base.h"

#define PAYLOAD_BYTES 1200 /* the trigger of a 500-byte order, with its headers */

static const char setup[] = "SET client_min_messages = warning;"
			    "DROP TABLE IF EXISTS floor_live, floor_history, floor_step;"
			    "CREATE TABLE floor_live (tenant uuid, id uuid, status smallint, "
			    "due_at timestamptz, epoch int,"
			    " trigger bytea, PRIMARY KEY (tenant, id)) WITH (fillfactor = 70);"
			    "CREATE INDEX ON floor_live (due_at);"
			    "CREATE TABLE floor_history (tenant uuid, id uuid, status smallint, "
			    "trigger bytea, PRIMARY KEY (tenant, id));"
			    "CREATE TABLE floor_step (tenant uuid, id uuid, step text, status "
			    "smallint, input bytea, output bytea,"
			    " PRIMARY KEY (tenant, id, step));";

/* What the host does for one execution, for $1 = how many at once, $2 = bytes of payload. */
static const char *const statements[] = {
	"INSERT INTO floor_live SELECT t, gen_random_uuid(), 1, now() + interval '5s', 0,"
	" convert_to(repeat('x', $2::int), 'UTF8') FROM (SELECT gen_random_uuid() t FROM "
	"generate_series(1, $1::int)) s",
	"UPDATE floor_live SET status = 2, epoch = 1, due_at = now() + interval '15s' WHERE status "
	"= 1 AND $1::int > 0 AND $2::int > 0",
	"WITH f AS (UPDATE floor_live SET epoch = epoch WHERE status = 2 RETURNING tenant, id)"
	" INSERT INTO floor_step SELECT tenant, id, 'map', 5, NULL, convert_to(repeat('m', $2::int "
	"/ 4), 'UTF8') FROM f WHERE $1::int > 0"
	" UNION ALL SELECT tenant, id, 'post', 2, convert_to(repeat('i', $2::int / 2), 'UTF8'), "
	"NULL FROM f",
	"WITH f AS (DELETE FROM floor_live WHERE status = 2 AND $1::int > 0 RETURNING tenant, id, "
	"trigger),"
	" h AS (INSERT INTO floor_history SELECT tenant, id, 4, trigger FROM f)"
	" UPDATE floor_step s SET status = 5, output = convert_to(repeat('o', $2::int / 2), 'UTF8')"
	" FROM f WHERE s.tenant = f.tenant AND s.id = f.id AND s.step = 'post'",
};

static bool run(PGconn *db, const char *sql, const char *const *args)
{
	PGresult *res = PQexecParams(db, sql, args ? 2 : 0, NULL, args, NULL, NULL, 0);
	bool ok = PQresultStatus(res) == PGRES_COMMAND_OK || PQresultStatus(res) == PGRES_TUPLES_OK;

	if (!ok)
		fprintf(stderr, "floor_pg: %s", PQerrorMessage(db));
	PQclear(res);
	return ok;
}

static bool prepare(PGconn *db)
{
	const char *p = setup;
	char one[1024];

	while (*p) {
		const char *end = strchr(p, ';');

		(void)pb_str_printf(one, sizeof(one), "%.*s", (int)(end - p), p);
		if (!run(db, one, NULL))
			return false;
		p = end + 1;
	}
	return true;
}

int main(int argc, char **argv)
{
	int64_t batch, seconds, started, n = 0;
	char payload[16];
	PGconn *db;

	if (argc != 4 || !pb_parse_i64(argv[2], strlen(argv[2]), 1, 100000, &batch) ||
	    !pb_parse_i64(argv[3], strlen(argv[3]), 1, 600, &seconds))
		return 2;
	db = PQconnectdb(argv[1]);
	if (PQstatus(db) != CONNECTION_OK || !prepare(db))
		return 1;
	(void)pb_str_printf(payload, sizeof(payload), "%d", PAYLOAD_BYTES);
	started = pb_mono_us();
	while (pb_mono_us() - started < seconds * PB_USEC_PER_SEC) {
		const char *args[] = {argv[2], payload};

		for (size_t i = 0; i < PB_ARRAY_LEN(statements); i++) {
			if (!run(db, statements[i], args))
				return 1;
		}
		n += batch;
	}
	printf("%.0f\n", (double)n * 1e6 / (double)(pb_mono_us() - started));
	(void)run(db, "DROP TABLE floor_live, floor_history, floor_step", NULL);
	PQfinish(db);
	return 0;
}
