/*
 * list.h - a doubly linked list of structs that carry their own link.
 *
 *     struct job { ...; struct list_link link; };
 *     struct list waiting = {0};
 *     list_append(&waiting, &job->link);
 *     for (struct list_link *l = waiting.first; l; l = l->next)
 *         ... CONTAINER_OF(l, struct job, link) ...
 *     list_remove(&waiting, &job->link);
 *
 * A zeroed list is empty, and a zeroed link is in no list.  Nothing is allocated: the members are
 * their owner's, and stay where they are as long as they are in a list.  A link is in one list at a
 * time.
 */
#ifndef BASE_LIST_H
#define BASE_LIST_H

#include <stddef.h>

struct list_link {
    struct list_link *previous, *next;
};

struct list {
    struct list_link *first, *last;
    int count;
};

/* The struct whose `member` is at `pointer`, which is not NULL. */
#define CONTAINER_OF(pointer, type, member) ((type *)((char *)(pointer)-offsetof(type, member)))

static inline void list_append(struct list *list, struct list_link *link) {
    *link = (struct list_link){.previous = list->last};
    *(list->last ? &list->last->next : &list->first) = link;
    list->last = link;
    list->count++;
}

/* The link is in this list. */
static inline void list_remove(struct list *list, struct list_link *link) {
    *(link->previous ? &link->previous->next : &list->first) = link->next;
    *(link->next ? &link->next->previous : &list->last) = link->previous;
    *link = (struct list_link){0};
    list->count--;
}

#endif
