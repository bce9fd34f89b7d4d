/*
 * An order's files are counted in the budget that it was filled under, for as long as it holds them,
 * wherever it goes: whoever frees it need not know where they came from.
 */
#include "service/order.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool edit_order_hold(struct edit_order *order, uint64_t bytes) {
    if (order->budget && !upload_budget_hold(order->budget, bytes)) return false;
    order->held_bytes += bytes;
    return true;
}

bool edit_order_copy(struct edit_order *out, const struct edit_order *order) {
    *out = *order;
    memset(out->files, 0, sizeof out->files);
    out->held_bytes = 0;
    out->prompt = strdup(order->prompt);
    out->negative_prompt = strdup(order->negative_prompt);
    bool copied = out->prompt && out->negative_prompt && edit_order_hold(out, order->held_bytes);
    for (size_t i = 0; i < order->file_count && copied; i++)
        copied = buffer_append(&out->files[i], order->files[i].data, order->files[i].size, NULL) ==
                 STATUS_OK;
    return copied;
}

void edit_order_free_files(struct edit_order *order) {
    for (size_t i = 0; i < FIRERED_MAX_PICTURES; i++) buffer_free(&order->files[i]);
    if (order->budget) upload_budget_release(order->budget, order->held_bytes);
    order->held_bytes = 0;
}

void edit_order_free(struct edit_order *order) {
    edit_order_free_files(order);
    free(order->prompt);
    free(order->negative_prompt);
    *order = (struct edit_order){0};
}

const char *edit_end_name(enum edit_end end) {
    static const char *const names[EDIT_ENDS] = {
        [EDIT_DONE] = "ok",
        [EDIT_INVALID_FILE] = "invalid_file",
        [EDIT_INVALID_IMAGE] = "invalid_image",
        [EDIT_INVALID_REQUEST] = "invalid_request",
        [EDIT_NO_MEMORY] = "gpu_oom",
        [EDIT_FAILED] = "inference_error",
        [EDIT_TIMED_OUT] = "timeout",
        [EDIT_CANCELLED] = "cancelled",
        [EDIT_SHUT_DOWN] = "shutting_down",
    };
    return names[end];
}

void edit_outcome_set(struct edit_outcome *outcome, enum edit_end end, const char *detail) {
    outcome->end = end;
    snprintf(outcome->detail, sizeof outcome->detail, "%s", detail);
}

void edit_outcome_set_stopped(struct edit_outcome *outcome, enum edit_end end, bool ran) {
    buffer_free(&outcome->file);
    if (end == EDIT_TIMED_OUT)
        edit_outcome_set(
            outcome, end,
            ran ? "the edit took longer than the server allows; ask for fewer steps or a smaller "
                  "picture"
                : "the edit waited in the queue for as long as the server allows; try again later");
    else if (end == EDIT_CANCELLED)
        edit_outcome_set(outcome, end, "the client went away");
    else
        edit_outcome_set(outcome, end, "the server is shutting down; try again later");
}
