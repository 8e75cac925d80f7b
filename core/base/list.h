/* SPDX-License-Identifier: Apache-2.0 */
/* Intrusive doubly linked list with a head. Header only. No locking. */
#ifndef PB_BASE_LIST_H
#define PB_BASE_LIST_H

#include "base/macro.h"

/* A head is an empty list when both point at itself; an unlinked node has both NULL. */
struct pb_list {
	struct pb_list *next, *prev;
};

static inline void pb_list_init(struct pb_list *head)
{
	head->next = head->prev = head;
}
static inline bool pb_list_empty(const struct pb_list *head)
{
	return head->next == head;
}
static inline bool pb_list_linked(const struct pb_list *node)
{
	return node->next != NULL;
}
static inline void pb_list_append(struct pb_list *head, struct pb_list *node)
{
	node->prev = head->prev;
	node->next = head;
	head->prev->next = node;
	head->prev = node;
}
static inline void pb_list_remove(struct pb_list *node)
{
	node->prev->next = node->next;
	node->next->prev = node->prev;
	node->next = node->prev = NULL;
}
static inline struct pb_list *pb_list_pop(struct pb_list *head)
{
	struct pb_list *n = head->next;

	if (n == head)
		return NULL;
	pb_list_remove(n);
	return n;
}
/* Moves all nodes of @from to the end of @to. */
static inline void pb_list_splice(struct pb_list *to, struct pb_list *from)
{
	if (pb_list_empty(from))
		return;
	from->next->prev = to->prev;
	to->prev->next = from->next;
	from->prev->next = to;
	to->prev = from->prev;
	pb_list_init(from);
}

#define pb_list_entry(node, type, member) pb_container_of(node, type, member)
#define pb_list_foreach(it, head)                                                                  \
	for (struct pb_list *it = (head)->next; it != (head); it = it->next)
#define pb_list_foreach_safe(it, head)                                                             \
	for (struct pb_list *it = (head)->next, *it##_next = it->next; it != (head);               \
	     it = it##_next, it##_next = it->next)

#endif
