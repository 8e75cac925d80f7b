# SPDX-License-Identifier: Apache-2.0
"""
Rules of the API that were broken once: what belongs to a request, limits as they are documented, obedience at once,
who may see what.
"""
import harness
from harness import webhook

SET = [{"id": "a", "type": "set", "with": {"x": 1}}]


class Rules(harness.HostCase):
    def test_idempotency__of_hooks_covers_query_and_type(self):
        wf = self.workflow(SET)
        key = {"Idempotency-Key": "pay-1"}

        def post(query="?order=1", kind="application/json"):
            return self.client.raw("POST", wf.hook + query, b"{}", {"Content-Type": kind, **key})
        first = post()
        self.assertEqual(first.status, 202, first)
        self.assertEqual(post().data["execution_id"], first.data["execution_id"])
        self.assert_error(post("?order=2"), 409, "idempotency.conflict")
        self.assert_error(post(""), 409, "idempotency.conflict")
        self.assert_error(post(kind="text/plain"), 409, "idempotency.conflict")


if __name__ == "__main__":
    harness.main()
