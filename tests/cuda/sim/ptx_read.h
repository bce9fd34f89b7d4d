/*
 * ptx_read.h - the reader of PTX text: where it stands, and what it reads next.  Blanks and comments
 * before that are passed over.  What is not understood ends the reading by a long jump to `out`,
 * with a sentence in `log`.
 */
#ifndef SIM_PTX_READ_H
#define SIM_PTX_READ_H

#include "ptx.h"

#include <setjmp.h>
#include <string.h>

struct name { /* a name in scope: registers (a range of numbers or one), a .param of the body */
    const char *text;
    size_t length;
    bool range;
    u32 first, n;
    const char *local; /* unique name of a .param */
};

struct reader {
    struct ptx_module *m;
    const char *p;
    u32 line, loc;
    struct ptx_func *f;
    struct name names[512];
    u32 nnames, unique;
    u32 rstmts, rregs;
    char *log;
    size_t room;
    jmp_buf out;
};

void bad(struct reader *r, const char *format, ...) __attribute__((format(printf, 2, 3), noreturn));
void blanks(struct reader *r); /* goes to what is neither */
bool eat(struct reader *r, char c);
void need(struct reader *r, char c);
bool word_char(char c);
/* A copy that is freed with the module. */
const char *copy_text(struct reader *r, const char *from, size_t n);
/* A name, "%r12" or "$L__BB0_2"; NULL where there is none. */
const char *word(struct reader *r);
const char *dotted(struct reader *r); /* ".b32": the word after a dot */
u64 number(struct reader *r, u8 *kind);
/* -1: no register of that name is in scope; *local: what a .param of that name is called. */
s32 find_register(struct reader *r, const char *name, const char **local);
void operand(struct reader *r, struct ptx_operand *o);
void operand_list(struct reader *r, struct ptx_operand *o, char close);

#endif
