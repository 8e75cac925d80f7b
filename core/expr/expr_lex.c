/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Turns expression source into tokens for the parser. Stateless but for a position, so that looking
 * ahead is copying a struct. Names may hold any letter beyond ASCII: fields of real data are called
 * имя and straße.
 */
#include "expr/expr_lex.h"

#include "base/base.h"

void expr_lex_init(struct expr_lex *lex, const char *src, uint32_t len, uint32_t pos)
{
	*lex = (struct expr_lex){.src = src, .len = len, .pos = pos};
	expr_lex_next(lex);
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_name_start(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || (uint8_t)c >= 0x80;
}

static char peek(const struct expr_lex *lex, uint32_t pos)
{
	return pos < lex->len ? lex->src[pos] : '\0';
}

/* Pasted text often has no-break spaces (U+00A0); they are blanks, not names. */
static bool is_nbsp(const struct expr_lex *lex, uint32_t pos)
{
	return peek(lex, pos) == '\xc2' && peek(lex, pos + 1) == '\xa0';
}

static uint32_t skip_blanks(const struct expr_lex *lex, uint32_t pos)
{
	for (; pos < lex->len; pos++) {
		char c = lex->src[pos];

		if (is_nbsp(lex, pos))
			pos++;
		else if (c != ' ' && c != '\t' && c != '\n' && c != '\r')
			break;
	}
	return pos;
}

static void bad(struct expr_token *tok, const char *what)
{
	tok->type = EXPR_T_BAD;
	tok->what = what;
}

static void lex_name(struct expr_lex *lex, struct expr_token *tok)
{
	uint32_t p = tok->pos;

	while (p < lex->len && (is_name_start(lex->src[p]) || is_digit(lex->src[p])) &&
	       !is_nbsp(lex, p))
		p++;
	tok->type = EXPR_T_NAME;
	tok->end = p;
}

static uint32_t skip_digits(const struct expr_lex *lex, uint32_t p)
{
	while (is_digit(peek(lex, p)))
		p++;
	return p;
}

/* The grammar of JSON numbers without the sign, which is an operator here. */
static void lex_number(struct expr_lex *lex, struct expr_token *tok)
{
	uint32_t p = skip_digits(lex, tok->pos), q;

	tok->type = EXPR_T_NUMBER;
	if (lex->src[tok->pos] == '0' && p > tok->pos + 1)
		return bad(tok, "a number must not begin with 0");
	/* 1.round() is a call on 1: a dot belongs to the number only before a digit */
	if (peek(lex, p) == '.' && is_digit(peek(lex, p + 1)))
		p = skip_digits(lex, p + 1);
	if (peek(lex, p) == 'e' || peek(lex, p) == 'E') {
		q = p + 1;
		if (peek(lex, q) == '+' || peek(lex, q) == '-')
			q++;
		if (!is_digit(peek(lex, q)))
			return bad(tok, "the exponent of a number has no digits");
		p = skip_digits(lex, q);
	}
	tok->end = p;
	if (p < lex->len && is_name_start(lex->src[p]) && !is_nbsp(lex, p))
		return bad(tok, "a name must not begin with a digit");
	if (p - tok->pos > 200)
		return bad(tok, "a number must not have more than 200 characters");
}

static void lex_string(struct expr_lex *lex, struct expr_token *tok)
{
	char quote = lex->src[tok->pos];
	uint32_t p = tok->pos + 1;

	while (p < lex->len && lex->src[p] != quote) {
		if (lex->src[p] == '\\')
			p++;
		p++;
	}
	if (p >= lex->len)
		return bad(tok, "text in quotes has no end");
	tok->type = EXPR_T_STRING;
	tok->end = p + 1;
}

static const struct {
	char text[3];
	uint8_t type;
} puncts[] = {
	{"?.", EXPR_T_SAFE_DOT}, {"??", EXPR_T_ELSE},  {"&&", EXPR_T_AND},
	{"||", EXPR_T_OR},       {"==", EXPR_T_EQ},    {"!=", EXPR_T_NE},
	{"<=", EXPR_T_LE},       {">=", EXPR_T_GE},    {"=>", EXPR_T_ARROW},
	{"(", EXPR_T_LPAREN},    {")", EXPR_T_RPAREN}, {"[", EXPR_T_LBRACKET},
	{"]", EXPR_T_RBRACKET},  {"{", EXPR_T_LBRACE}, {"}", EXPR_T_RBRACE},
	{",", EXPR_T_COMMA},     {":", EXPR_T_COLON},  {".", EXPR_T_DOT},
	{"?", EXPR_T_QUESTION},  {"!", EXPR_T_NOT},    {"<", EXPR_T_LT},
	{">", EXPR_T_GT},        {"+", EXPR_T_ADD},    {"-", EXPR_T_SUB},
	{"*", EXPR_T_MUL},       {"/", EXPR_T_DIV},    {"%", EXPR_T_MOD},
	{"`", EXPR_T_BACKTICK},
};

static void lex_punct(struct expr_lex *lex, struct expr_token *tok)
{
	for (size_t i = 0; i < PB_ARRAY_LEN(puncts); i++) {
		const char *t = puncts[i].text;

		if (lex->src[tok->pos] != t[0])
			continue;
		if (t[1] && peek(lex, tok->pos + 1) != t[1])
			continue;
		tok->type = puncts[i].type;
		tok->end = tok->pos + (t[1] ? 2 : 1);
		return;
	}
	bad(tok, lex->src[tok->pos] == '=' ? "there is no assignment; compare with =="
					   : "this character has no meaning here");
}

void expr_lex_next(struct expr_lex *lex)
{
	uint32_t pos = skip_blanks(lex, lex->pos);
	struct expr_token tok = {.type = EXPR_T_END, .pos = pos, .end = pos};

	if (pos >= lex->len)
		tok.type = EXPR_T_END;
	else if (is_name_start(lex->src[pos]))
		lex_name(lex, &tok);
	else if (is_digit(lex->src[pos]))
		lex_number(lex, &tok);
	else if (lex->src[pos] == '"' || lex->src[pos] == '\'')
		lex_string(lex, &tok);
	else
		lex_punct(lex, &tok);
	lex->tok = tok;
	lex->pos = tok.end;
}

const char *expr_token_name(enum expr_token_type type)
{
	static const char *const names[] = {
		[EXPR_T_END] = "the end",  [EXPR_T_BAD] = "a bad character",
		[EXPR_T_NAME] = "a name",  [EXPR_T_NUMBER] = "a number",
		[EXPR_T_STRING] = "text",  [EXPR_T_BACKTICK] = "'`'",
		[EXPR_T_LPAREN] = "'('",   [EXPR_T_RPAREN] = "')'",
		[EXPR_T_LBRACKET] = "'['", [EXPR_T_RBRACKET] = "']'",
		[EXPR_T_LBRACE] = "'{'",   [EXPR_T_RBRACE] = "'}'",
		[EXPR_T_COMMA] = "','",    [EXPR_T_COLON] = "':'",
		[EXPR_T_DOT] = "'.'",      [EXPR_T_SAFE_DOT] = "'?.'",
		[EXPR_T_QUESTION] = "'?'", [EXPR_T_ELSE] = "'?\?'",
		[EXPR_T_NOT] = "'!'",      [EXPR_T_AND] = "'&&'",
		[EXPR_T_OR] = "'||'",      [EXPR_T_EQ] = "'=='",
		[EXPR_T_NE] = "'!='",      [EXPR_T_LT] = "'<'",
		[EXPR_T_LE] = "'<='",      [EXPR_T_GT] = "'>'",
		[EXPR_T_GE] = "'>='",      [EXPR_T_ADD] = "'+'",
		[EXPR_T_SUB] = "'-'",      [EXPR_T_MUL] = "'*'",
		[EXPR_T_DIV] = "'/'",      [EXPR_T_MOD] = "'%'",
		[EXPR_T_ARROW] = "'=>'",
	};

	return names[type];
}

/* Four hex digits; -1 when they are not. */
static int32_t hex4(const char *p, size_t n)
{
	uint8_t b[2];

	if (n < 4 || !pb_unhex(p, 4, b, 2))
		return -1;
	return (int32_t)b[0] << 8 | b[1];
}

/* After "\u": one scalar value from one or two groups. Gives the bytes read or 0. */
static size_t unicode_escape(const char *p, size_t n, uint32_t *ret_cp)
{
	int32_t hi = hex4(p, n), lo;

	if (hi < 0 || (hi >= 0xdc00 && hi <= 0xdfff))
		return 0;
	*ret_cp = (uint32_t)hi;
	if (hi < 0xd800 || hi > 0xdbff)
		return 4;
	if (n < 10 || p[4] != '\\' || p[5] != 'u')
		return 0;
	lo = hex4(p + 6, n - 6);
	if (lo < 0xdc00 || lo > 0xdfff)
		return 0;
	*ret_cp = 0x10000u + (((uint32_t)hi - 0xd800u) << 10) + ((uint32_t)lo - 0xdc00u);
	return 10;
}

int64_t expr_unescape(const char *p, size_t n, char *out, size_t *ret_bad)
{
	static const char from[] = "ntrbf0\\'\"`/${}", to[] = "\n\t\r\b\f\0\\'\"`/${}";
	size_t o = 0;

	for (size_t i = 0; i < n; i++) {
		const char *hit;
		uint32_t cp;
		size_t used;

		if (p[i] != '\\') {
			out[o++] = p[i];
			continue;
		}
		*ret_bad = i;
		if (++i >= n)
			return -1;
		hit = p[i] ? strchr(from, p[i]) : NULL;
		if (hit) {
			out[o++] = to[hit - from];
			continue;
		}
		used = p[i] == 'u' ? unicode_escape(p + i + 1, n - i - 1, &cp) : 0;
		if (!used)
			return -1;
		o += pb_utf8_encode(cp, out + o);
		i += used;
	}
	return (int64_t)o;
}
