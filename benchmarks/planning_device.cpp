// A GPU that plans and computes nothing: llama.cpp's own scheduler places layers on it by the rules of `ggml-cuda.cu`.
//
// Compiled by `benchmarks/memory_plans.py` against the headers of the llama.cpp that it is loaded beside. The sizes of
// tensors follow ggml_backend_cuda_buffer_type_get_alloc_size, the operations taken over from host memory
// ggml_backend_cuda_device_offload_op, the heads that have a flash kernel ggml_cuda_get_best_fattn_kernel of a card
// with tensor cores; every other operation counts as supported. What it cannot give: the context of a device, its
// driver, and what is free.
#include "ggml-backend-impl.h"
#include "ggml-impl.h"
#include <cstdlib>
#include <cstring>

static const size_t ALIGNMENT = 128;
static const size_t MEMORY = (size_t) 512 << 30;  // more than any model, so that nothing is fitted to it
static const int64_t ROW_STEP = 512;              // MATRIX_ROW_PADDING
static const int64_t LEAST_ROWS = 32;             // from which on weights are copied to the device

static size_t padded(size_t size) { return (size + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT; }

// A buffer

static void buffer_free(ggml_backend_buffer_t buffer) { free(buffer->context); }
static void * buffer_base(ggml_backend_buffer_t buffer) { return buffer->context; }
static void buffer_set(ggml_backend_buffer_t, ggml_tensor * tensor, const void * data, size_t offset, size_t size) {
    memcpy((char *) tensor->data + offset, data, size);
}
static void buffer_get(ggml_backend_buffer_t, const ggml_tensor * tensor, void * data, size_t offset, size_t size) {
    memcpy(data, (const char *) tensor->data + offset, size);
}
static void buffer_clear(ggml_backend_buffer_t buffer, uint8_t value) { memset(buffer->context, value, buffer->size); }

static ggml_backend_buffer_i buffer_functions = {
    buffer_free, buffer_base, nullptr, nullptr, buffer_set, buffer_get, nullptr, nullptr, nullptr, buffer_clear, nullptr
};

// Its type, which knows how large a tensor is there

static const char * type_name(ggml_backend_buffer_type_t) { return "PLANNED0"; }
static size_t type_alignment(ggml_backend_buffer_type_t) { return ALIGNMENT; }
static ggml_backend_buffer_t type_allocate(ggml_backend_buffer_type_t type, size_t size) {
    void * memory = aligned_alloc(ALIGNMENT, padded(size + ALIGNMENT));
    return ggml_backend_buffer_init(type, buffer_functions, memset(memory, 0, size + ALIGNMENT), size);
}
static size_t type_size(ggml_backend_buffer_type_t, const ggml_tensor * tensor) {
    size_t size = ggml_nbytes(tensor);
    if (tensor->op == GGML_OP_FLASH_ATTN_EXT) {  // a kernel that wants f16 gets a copy
        const ggml_tensor * keys = tensor->src[1], * values = tensor->src[2];
        const bool is_shared = values->view_src && values->view_src == keys->view_src;
        if (keys->type != GGML_TYPE_F16) size = padded(size) + ggml_nelements(keys) * 2;
        if (!is_shared && values->type != GGML_TYPE_F16) size = padded(size) + ggml_nelements(values) * 2;
    }
    const int64_t rest = tensor->ne[0] % ROW_STEP;
    if (ggml_is_quantized(tensor->type) && rest) size += ggml_row_size(tensor->type, ROW_STEP - rest);
    return size;
}

static ggml_backend_device device;
static ggml_backend_buffer_type buffer_type = {
    { type_name, type_allocate, nullptr, type_alignment, nullptr, type_size, nullptr, nullptr }, &device, nullptr
};

// A stream, which computes nothing

static ggml_guid identity = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16 };
static const char * stream_name(ggml_backend_t) { return "PLANNED0"; }
static void stream_free(ggml_backend_t stream) { delete stream; }
static enum ggml_status stream_compute(ggml_backend_t, ggml_cgraph *) { return GGML_STATUS_SUCCESS; }

// The device

static const char * device_name(ggml_backend_dev_t) { return "PLANNED0"; }
static void device_memory(ggml_backend_dev_t, size_t * available, size_t * total) { *available = *total = MEMORY; }
static enum ggml_backend_dev_type device_kind(ggml_backend_dev_t) { return GGML_BACKEND_DEVICE_TYPE_GPU; }
static void device_properties(ggml_backend_dev_t self, ggml_backend_dev_props * found) {
    memset(found, 0, sizeof(*found));
    found->name = found->description = "PLANNED0";
    found->type = GGML_BACKEND_DEVICE_TYPE_GPU;
    device_memory(self, &found->memory_free, &found->memory_total);
    found->caps.async = found->caps.events = true;
}
static ggml_backend_t device_start(ggml_backend_dev_t self, const char *) {
    ggml_backend_i functions;
    memset(&functions, 0, sizeof(functions));
    functions.get_name = stream_name;
    functions.free = stream_free;
    functions.graph_compute = stream_compute;
    return new ggml_backend{ &identity, functions, self, nullptr };
}
static ggml_backend_buffer_type_t device_buffer_type(ggml_backend_dev_t) { return &buffer_type; }
static bool has_flash_kernel(int64_t key, int64_t value, int64_t queries) {  // queries for each head of keys
    if (key == 192 && value == 128) return queries % 8 == 0;
    if (key == 320 && value == 256) return queries % 32 == 0;
    if (key == 512 && value == 512) return queries % 2 == 0;
    if (key == 576 && value == 512) return queries % 2 == 0;
    static const int64_t sizes[] = { 40, 64, 72, 80, 96, 112, 128, 256 };
    for (int64_t size : sizes) {
        if (key == size && value == size) return true;
    }
    return false;
}
static bool device_supports(ggml_backend_dev_t, const ggml_tensor * tensor) {
    if (tensor->op != GGML_OP_FLASH_ATTN_EXT) return true;
    const ggml_tensor * queries = tensor->src[0], * keys = tensor->src[1], * values = tensor->src[2];
    return has_flash_kernel(keys->ne[0], values->ne[0], queries->ne[2] / keys->ne[2]);
}
static bool device_takes(ggml_backend_dev_t, ggml_backend_buffer_type_t type) { return type == &buffer_type; }
static bool device_offloads(ggml_backend_dev_t, const ggml_tensor * tensor) {
    switch (tensor->op) {
        case GGML_OP_GET_ROWS: return false;
        case GGML_OP_MUL_MAT: return tensor->ne[1] >= LEAST_ROWS;
        case GGML_OP_MUL_MAT_ID:
        case GGML_OP_ROPE:
        case GGML_OP_ROPE_BACK: return tensor->ne[2] >= LEAST_ROWS;
        default: return ggml_nrows(tensor) >= LEAST_ROWS;
    }
}
static ggml_backend_event_t event_new(ggml_backend_dev_t self) { return new ggml_backend_event{ self, nullptr }; }
static void event_free(ggml_backend_dev_t, ggml_backend_event_t event) { delete event; }
static void event_wait(ggml_backend_dev_t, ggml_backend_event_t) {}

// What registers it

static ggml_backend_reg registry;
static const char * registry_name(ggml_backend_reg_t) { return "PLANNED"; }
static size_t registry_count(ggml_backend_reg_t) { return 1; }
static ggml_backend_dev_t registry_device(ggml_backend_reg_t, size_t) { return &device; }
static void * registry_function(ggml_backend_reg_t, const char *) { return nullptr; }

extern "C" ggml_backend_reg_t planning_registry() {
    registry = {
        GGML_BACKEND_API_VERSION, { registry_name, registry_count, registry_device, registry_function }, nullptr
    };
    device = {
        { device_name, device_name, device_memory, device_kind, device_properties, device_start, device_buffer_type,
          nullptr, nullptr, device_supports, device_takes, device_offloads, event_new, event_free, event_wait },
        &registry, nullptr
    };
    return &registry;
}
