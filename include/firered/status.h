/*
 * status.h - how a function says that it failed, and why.
 *
 * A function that can fail returns an enum status, for the program, and writes one sentence into
 * the caller's struct error, for a person.  The sentence names the thing, what is wrong with it
 * and, where there is one, the remedy. There is no global error: two edits may fail at the same
 * time for different reasons.
 *
 *     enum status s = picture_resize(&small, &big, 384, 256, RESAMPLE_LANCZOS, &err);
 *     if (s != STATUS_OK) return s;            // err already says why; pass it up untouched
 */
#ifndef FIRERED_STATUS_H
#define FIRERED_STATUS_H

enum status {
    STATUS_OK = 0,
    STATUS_INVALID,     /* the caller's data are wrong: a request, a picture, a model file */
    STATUS_UNSUPPORTED, /* the bytes are no picture format that we know */
    STATUS_NO_MEMORY,   /* memory, on the host or the device, does not suffice for this edit */
    STATUS_IO,          /* the operating system failed to read or write */
    STATUS_CANCELLED,   /* somebody asked the work to stop */
    STATUS_NOT_FINITE, /* the networks produced NaN or Inf: the weights or the adapter are broken */
    STATUS_INTERNAL,   /* ours: a defect */
    STATUS_DEVICE,     /* the device that computes is lost: nothing more can be done on it */
};

struct error {
    char text[512]; /* one sentence, printable UTF-8, no newline, always terminated */
};

/* Writes the sentence (printf style; cut at the end of err->text) and returns why, so that a
 * caller can say `return fail(err, STATUS_INVALID, "...")`.  err may be NULL: then only the
 * status is returned. */
__attribute__((format(printf, 3, 4))) enum status fail(struct error *err, enum status why,
                                                       const char *format, ...);

#endif
