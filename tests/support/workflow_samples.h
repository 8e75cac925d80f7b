/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Workflow definitions with the one fault that each must be refused for. Read by the tests of the reader and
 * by the test that holds the published JSON Schema against it. Written with ' for ".
 */
#ifndef PB_TESTS_SUPPORT_WORKFLOW_SAMPLES_H
#define PB_TESTS_SUPPORT_WORKFLOW_SAMPLES_H

#include <stdbool.h>
#include <stddef.h>

struct workflow_sample {
	const char *json;
	const char *code;    /* without "workflow.", NULL = valid */
	const char *pointer; /* of the fault */
	bool schema_blind;   /* the JSON Schema cannot see this fault */
};

#define DOC(steps, more)                                                                           \
	"{'patchbay':1,'name':'n','trigger':{'type':'webhook'},'steps':[" steps "]" more "}"
#define SET(id)       "{'id':'" id "','type':'set','with':{}}"
#define IF(id)        "{'id':'" id "','type':'if','with':{'condition':'{{ true }}'}}"
#define ACT(id, more) "{'id':'" id "','type':'action','action':'http.request'" more "}"
#define TRIGGER(t)    "{'patchbay':1,'name':'n','trigger':" t ",'steps':[" SET("a") "]}"
#define SETTINGS(s)   DOC(SET("a"), ",'settings':{" s "}")

/* One sample a line. */
/* clang-format off */
static const struct workflow_sample workflow_samples[] = {
	/* the whole */
	{DOC(SET("a"), ""), NULL, NULL, false},
	{"[]", "field_type", "", false},
	{"null", "field_type", "", false},
	{"{'name':'n','trigger':{'type':'manual'},'steps':[" SET("a") "]}", "field_missing", "/patchbay", false},
	{"{'patchbay':2,'name':'n','trigger':{'type':'manual'},'steps':[" SET("a") "]}", "format_unsupported", "/patchbay", false},
	{"{'patchbay':'1','name':'n','trigger':{'type':'manual'},'steps':[" SET("a") "]}", "format_unsupported", "/patchbay", false},
	{"{'patchbay':1.0,'name':'n','trigger':{'type':'manual'},'steps':[" SET("a") "]}", NULL, NULL, false},
	{"{'patchbay':1,'trigger':{'type':'manual'},'steps':[" SET("a") "]}", "field_missing", "/name", false},
	{"{'patchbay':1,'name':'','trigger':{'type':'manual'},'steps':[" SET("a") "]}", "field_value", "/name", false},
	{"{'patchbay':1,'name':5,'trigger':{'type':'manual'},'steps':[" SET("a") "]}", "field_type", "/name", false},
	{"{'patchbay':1,'name':'a\\nb','trigger':{'type':'manual'},'steps':[" SET("a") "]}", "field_value", "/name", false},
	{"{'patchbay':1,'name':'a\\u0000','trigger':{'type':'manual'},'steps':[" SET("a") "]}", "field_value", "/name", false},
	{"{'patchbay':1,'name':'n','steps':[" SET("a") "]}", "field_missing", "/trigger", false},
	{"{'patchbay':1,'name':'n','trigger':{'type':'manual'}}", "field_missing", "/steps", false},
	{DOC(SET("a"), ",'Edges':[]"), "field_unknown", "/Edges", false},
	{DOC(SET("a"), ",'a/b':1"), "field_unknown", "/a~1b", false},
	{DOC(SET("a"), ",'layout':{'a':[1,2]}"), NULL, NULL, false},
	{DOC(SET("a"), ",'layout':[]"), "field_type", "/layout", false},
	{DOC("", ""), "field_value", "/steps", false},
	{"{'patchbay':1,'name':'n','trigger':{'type':'manual'},'steps':{}}", "field_type", "/steps", false},
	/* trigger */
	{TRIGGER("{'type':'manual'}"), NULL, NULL, false},
	{TRIGGER("{'type':'manual','with':{}}"), NULL, NULL, false},
	{TRIGGER("{'type':'manual','with':{'methods':['GET']}}"), "field_unknown", "/trigger/with/methods", false},
	{TRIGGER("{'type':'schedule'}"), "trigger_type_unsupported", "/trigger/type", false},
	{TRIGGER("{'type':1}"), "field_type", "/trigger/type", false},
	{TRIGGER("{}"), "field_missing", "/trigger/type", false},
	{TRIGGER("'webhook'"), "field_type", "/trigger", false},
	{TRIGGER("{'type':'webhook','cron':1}"), "field_unknown", "/trigger/cron", false},
	{TRIGGER("{'type':'webhook','with':[]}"), "field_type", "/trigger/with", false},
	{TRIGGER("{'type':'webhook','with':{'methods':['GET','POST'],'respond':'result','deadline':'10s'}}"), NULL, NULL, false},
	{TRIGGER("{'type':'webhook','with':{'methods':['post']}}"), "method_unknown", "/trigger/with/methods/0", false},
	{TRIGGER("{'type':'webhook','with':{'methods':[]}}"), "field_value", "/trigger/with/methods", false},
	{TRIGGER("{'type':'webhook','with':{'methods':'POST'}}"), "field_type", "/trigger/with/methods", false},
	{TRIGGER("{'type':'webhook','with':{'respond':'later'}}"), "field_value", "/trigger/with/respond", false},
	{TRIGGER("{'type':'webhook','with':{'respond':true}}"), "field_type", "/trigger/with/respond", false},
	{TRIGGER("{'type':'webhook','with':{'deadline':'10'}}"), "duration_invalid", "/trigger/with/deadline", false},
	{TRIGGER("{'type':'webhook','with':{'deadline':'1h'}}"), "duration_invalid", "/trigger/with/deadline", true},
	{TRIGGER("{'type':'webhook','with':{'method':'POST'}}"), "field_unknown", "/trigger/with/method", false},
	/* settings */
	{SETTINGS("'mode':'durable','timezone':'Europe/Paris'"), NULL, NULL, false},
	{SETTINGS("'mode':'durable','timezone':'UTC','concurrency':null,'error_workflow':null,'retention':null"), NULL, NULL, false},
	{SETTINGS("'mode':'fast'"), "field_value", "/settings/mode", false},
	{SETTINGS("'timezone':''"), "field_value", "/settings/timezone", false},
	{SETTINGS("'concurrency':0"), "field_value", "/settings/concurrency", false},
	{SETTINGS("'concurrency':1.5"), "field_type", "/settings/concurrency", false},
	{SETTINGS("'concurrency':1e400"), "field_value", "/settings/concurrency", false},
	{SETTINGS("'error_workflow':{}"), "field_type", "/settings/error_workflow", false},
	{SETTINGS("'retention':30"), "field_type", "/settings/retention", false},
	{SETTINGS("'retention':'1s'"), "duration_invalid", "/settings/retention", true},
	{SETTINGS("'mode':'express'"), "setting_unsupported", "/settings/mode", true},
	{SETTINGS("'concurrency':7"), "setting_unsupported", "/settings/concurrency", true},
	{SETTINGS("'error_workflow':'oops'"), "setting_unsupported", "/settings/error_workflow", true},
	{SETTINGS("'retention':'30d'"), "setting_unsupported", "/settings/retention", true},
	{SETTINGS("'zone':'UTC'"), "field_unknown", "/settings/zone", false},
	{DOC(SET("a"), ",'settings':null"), "field_type", "/settings", false},
	/* steps */
	{DOC("1", ""), "field_type", "/steps/0", false},
	{DOC("{'type':'set','with':{}}", ""), "field_missing", "/steps/0/id", false},
	{DOC(SET("A"), ""), "step_id_invalid", "/steps/0/id", false},
	{DOC(SET("1a"), ""), "step_id_invalid", "/steps/0/id", false},
	{DOC(SET(""), ""), "step_id_invalid", "/steps/0/id", false},
	{DOC(SET("a.b"), ""), "step_id_invalid", "/steps/0/id", false},
	{DOC(SET("trigger"), ""), "step_id_invalid", "/steps/0/id", false},
	{DOC(SET("a234567890123456789012345678901234567890123456789012345678901234"), ""), NULL, NULL, false},
	{DOC(SET("a2345678901234567890123456789012345678901234567890123456789012345"), ""), "step_id_invalid", "/steps/0/id", false},
	{DOC(SET("a") "," SET("b") "," SET("a"), ""), "step_id_duplicate", "/steps/2/id", true},
	{DOC("{'id':'a'}", ""), "field_missing", "/steps/0/type", false},
	{DOC("{'id':'a','type':'switch','with':{},'cases':[]}", ""), "step_type_unsupported", "/steps/0/type", false},
	{DOC("{'id':'a','type':'for_each','steps':[]}", ""), "step_type_unsupported", "/steps/0/type", false},
	{DOC("{'id':'a','type':null}", ""), "field_type", "/steps/0/type", false},
	{DOC("{'id':'a','type':'set'}", ""), "field_missing", "/steps/0/with", false},
	{DOC("{'id':'a','type':'set','with':[]}", ""), "field_type", "/steps/0/with", false},
	{DOC("{'id':'a','type':'set','with':{},'join':'any','on_error':'continue','name':'N'}", ""), NULL, NULL, false},
	{DOC("{'id':'a','type':'set','with':{},'join':'one'}", ""), "field_value", "/steps/0/join", false},
	{DOC("{'id':'a','type':'set','with':{},'on_error':'stop'}", ""), "field_value", "/steps/0/on_error", false},
	{DOC("{'id':'a','type':'set','with':{},'timeout':'3s'}", ""), "field_unknown", "/steps/0/timeout", false},
	{DOC("{'id':'a','type':'set','with':{},'action':'x.y'}", ""), "field_unknown", "/steps/0/action", false},
	{DOC(IF("a"), ""), NULL, NULL, false},
	{DOC("{'id':'a','type':'if','with':{'condition':false}}", ""), NULL, NULL, false},
	{DOC("{'id':'a','type':'if','with':{}}", ""), "field_missing", "/steps/0/with/condition", false},
	{DOC("{'id':'a','type':'if'}", ""), "field_missing", "/steps/0/with", false},
	{DOC("{'id':'a','type':'action','action':'http.request','with':{'repeatable':true}}", ""), NULL, NULL, false},
	{DOC("{'id':'a','type':'action','action':'http.request','with':{'repeatable':'yes'}}", ""), "field_type", "/steps/0/with/repeatable", true},
	{DOC("{'id':'a','type':'action','action':'crm.book','with':{'repeatable':'yes'}}", ""), NULL, NULL, false},
	{DOC("{'id':'a','type':'if','with':{'condition':1}}", ""), "field_type", "/steps/0/with/condition", false},
	{DOC("{'id':'a','type':'if','with':{'condition':'false'}}", ""), "field_value", "/steps/0/with/condition", false},
	{DOC("{'id':'a','type':'if','with':{'condition':'steps.a.n >= 1000'}}", ""), "field_value", "/steps/0/with/condition", false},
	{DOC("{'id':'a','type':'if','with':{'condition':' {{ false }}'}}", ""), "field_value", "/steps/0/with/condition", false},
	{DOC("{'id':'a','type':'if','with':{'condition':'{{ false }}\\n'}}", ""), "field_value", "/steps/0/with/condition", false},
	{DOC("{'id':'a','type':'if','with':{'condition':'{{ n ==\\n 1 }}'}}", ""), NULL, NULL, false},
	{DOC("{'id':'a','type':'if','with':{'condition':'{{ x }}','else':'y'}}", ""), "field_unknown", "/steps/0/with/else", false},
	/* actions */
	{DOC(ACT("a", ""), ""), NULL, NULL, false},
	{DOC(ACT("a", ",'with':{'anything':[1]},'connection':'c','connector_version':'1.4.0','timeout':'24h','repeatable':true,"
		      "'retry':{'max_attempts':100,'initial':'1ms','max':'24h','jitter':false}"), ""), NULL, NULL, false},
	{DOC(ACT("a", ",'retry':{}"), ""), NULL, NULL, false},
	{DOC(ACT("a", ",'retry':{'initial':'1h'}"), ""), NULL, NULL, false},
	{DOC("{'id':'a','type':'action'}", ""), "field_missing", "/steps/0/action", false},
	{DOC("{'id':'a','type':'action','action':'slack'}", ""), "action_invalid", "/steps/0/action", false},
	{DOC("{'id':'a','type':'action','action':'slack.'}", ""), "action_invalid", "/steps/0/action", false},
	{DOC("{'id':'a','type':'action','action':'.post'}", ""), "action_invalid", "/steps/0/action", false},
	{DOC("{'id':'a','type':'action','action':'a..b'}", ""), "action_invalid", "/steps/0/action", false},
	{DOC("{'id':'a','type':'action','action':'1a.b'}", ""), "action_invalid", "/steps/0/action", false},
	{DOC("{'id':'a','type':'action','action':'a.-b'}", ""), "action_invalid", "/steps/0/action", false},
	{DOC("{'id':'a','type':'action','action':'A.b'}", ""), "action_invalid", "/steps/0/action", false},
	{DOC("{'id':'a','type':'action','action':'a/b.c'}", ""), "action_invalid", "/steps/0/action", false},
	{DOC("{'id':'a','type':'action','action':'com.acme-inc.crm.create_2'}", ""), NULL, NULL, false},
	{DOC("{'id':'a','type':'action','action':7}", ""), "field_type", "/steps/0/action", false},
	{DOC(ACT("a", ",'connector_version':'1 4'"), ""), "field_value", "/steps/0/connector_version", false},
	{DOC(ACT("a", ",'connection':null"), ""), "field_type", "/steps/0/connection", false},
	{DOC(ACT("a", ",'with':'x'"), ""), "field_type", "/steps/0/with", false},
	{DOC(ACT("a", ",'timeout':30"), ""), "field_type", "/steps/0/timeout", false},
	{DOC(ACT("a", ",'timeout':'soon'"), ""), "duration_invalid", "/steps/0/timeout", false},
	{DOC(ACT("a", ",'timeout':'0s'"), ""), "duration_invalid", "/steps/0/timeout", true},
	{DOC(ACT("a", ",'timeout':'25h'"), ""), "duration_invalid", "/steps/0/timeout", true},
	{DOC(ACT("a", ",'repeatable':'yes'"), ""), "field_type", "/steps/0/repeatable", false},
	{DOC(ACT("a", ",'retry':3"), ""), "field_type", "/steps/0/retry", false},
	{DOC(ACT("a", ",'retry':{'attempts':3}"), ""), "field_unknown", "/steps/0/retry/attempts", false},
	{DOC(ACT("a", ",'retry':{'max_attempts':0}"), ""), "field_value", "/steps/0/retry/max_attempts", false},
	{DOC(ACT("a", ",'retry':{'max_attempts':101}"), ""), "field_value", "/steps/0/retry/max_attempts", false},
	{DOC(ACT("a", ",'retry':{'max_attempts':'3'}"), ""), "field_type", "/steps/0/retry/max_attempts", false},
	{DOC(ACT("a", ",'retry':{'jitter':1}"), ""), "field_type", "/steps/0/retry/jitter", false},
	{DOC(ACT("a", ",'retry':{'initial':'2m','max':'1m'}"), ""), "field_value", "/steps/0/retry/max", true},
	/* edges */
	{DOC(SET("a") "," SET("b"), ",'edges':[['trigger','a'],['a','b']]"), NULL, NULL, false},
	{DOC(SET("a") "," SET("b"), ",'edges':[['trigger.done','a'],['a.done','b'],['a.error','b']]"), NULL, NULL, false},
	{DOC(IF("a") "," SET("b") "," SET("c"), ",'edges':[['trigger','a'],['a.true','b'],['a.false','c'],['a.error','c']]"), NULL, NULL, false},
	{DOC(SET("a"), ",'edges':{}"), "field_type", "/edges", false},
	{DOC(SET("a"), ",'edges':[['trigger','a'],'x']"), "edge_invalid", "/edges/1", false},
	{DOC(SET("a"), ",'edges':[['trigger','a','a']]"), "edge_invalid", "/edges/0", false},
	{DOC(SET("a"), ",'edges':[['trigger',1]]"), "edge_invalid", "/edges/0", false},
	{DOC(SET("a"), ",'edges':[['trigger','a'],['a','b']]"), "edge_unknown_step", "/edges/1/1", true},
	{DOC(SET("a"), ",'edges':[['trigger','a'],['b','a']]"), "edge_unknown_step", "/edges/1/0", true},
	{DOC(SET("a"), ",'edges':[['trigger','a'],['a','trigger']]"), "edge_unknown_step", "/edges/1/1", false},
	{DOC(SET("a"), ",'edges':[['trigger','a.done']]"), "edge_unknown_step", "/edges/0/1", false},
	{DOC(SET("a") "," SET("b"), ",'edges':[['trigger','a'],['a.true','b']]"), "edge_unknown_port", "/edges/1/0", true},
	{DOC(SET("a") "," SET("b"), ",'edges':[['trigger','a'],['a.approved','b']]"), "edge_unknown_port", "/edges/1/0", false},
	{DOC(SET("a") "," SET("b"), ",'edges':[['trigger','a'],['a.','b']]"), "edge_unknown_port", "/edges/1/0", false},
	{DOC(SET("a"), ",'edges':[['trigger.error','a']]"), "edge_unknown_port", "/edges/0/0", true},
	{DOC(SET("a"), ",'edges':[['trigger','a'],['trigger.done','a']]"), "edge_duplicate", "/edges/1", true},
	{DOC(IF("a") "," SET("b"), ",'edges':[['trigger','a'],['a','b'],['a.true','b']]"), "edge_duplicate", "/edges/2", true},
	{DOC(SET("a"), ",'edges':[['trigger','a'],['a','a']]"), "cycle", "/edges", true},
	{DOC(SET("a") "," SET("b") "," SET("c"), ",'edges':[['trigger','a'],['a','b'],['b','c'],['c','b']]"), "cycle", "/edges", true},
	{DOC(SET("a") "," SET("b"), ",'edges':[['trigger','a']]"), "step_unreachable", "/steps/1", true},
	{DOC(SET("a"), ",'edges':[]"), "step_unreachable", "/steps/0", true},
};
/* clang-format on */

#endif
