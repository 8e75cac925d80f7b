/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes and subjects of the bus. Pure functions: what comes from the wire is checked here. */
#ifndef PB_BUS_BUS_WIRE_H
#define PB_BUS_BUS_WIRE_H

#include "bus/bus.h"

#define BUS_PAYLOAD_BYTES 40
#define BUS_SUBJECT_BYTES 256

void bus_payload_write(uint8_t out[BUS_PAYLOAD_BYTES], struct pb_uuid execution_id,
		       struct pb_uuid tenant_id, int64_t dispatch);
/* False when it is not ours: another size, a nil id, a negative dispatch. */
bool bus_payload_read(const void *p, size_t n, struct pb_uuid *ret_execution_id,
		      struct pb_uuid *ret_tenant_id, int64_t *ret_dispatch) pb_must_check;

/*
 * How often a message was delivered, from its acknowledgement subject
 * "$JS.ACK.<stream>.<consumer>.<delivered>...." or the longer form with domain and account; 0 = not one.
 */
uint64_t bus_reply_delivered(const char *reply);

/* True for a JetStream answer that says "stored" (duplicates too). */
bool bus_puback_ok(const char *json, size_t n);

/* "<inbox>.<a>.<b>" as two hex numbers, the way bus_token_write made it. */
bool bus_token_write(char *out, size_t cap, const char *inbox, uint32_t a, uint32_t b);
bool bus_token_read(const char *subject, const char *inbox, uint32_t *ret_a,
		    uint32_t *ret_b) pb_must_check;

#endif
