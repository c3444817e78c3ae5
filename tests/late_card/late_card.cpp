// A PyTorch backend (PrivateUse1) over late_card.h: what a card is to PyTorch, with arithmetic by the processor.
#include <torch/csrc/utils/pybind.h>
#include <torch/library.h>
#include <ATen/EmptyTensor.h>
#include <ATen/core/CachingHostAllocator.h>
#include <ATen/detail/PrivateUse1HooksInterface.h>
#include <ATen/native/CPUFallback.h>
#include <ATen/native/Resize.h>
#include <ATen/ops/_has_compatible_shallow_copy_type.h>
#include <ATen/ops/_reshape_alias_native.h>
#include <ATen/ops/as_strided_native.h>
#include <ATen/ops/resize_native.h>
#include <ATen/ops/set_native.h>
#include <ATen/ops/unfold_native.h>
#include <ATen/ops/view_native.h>
#include <c10/core/CachingDeviceAllocator.h>
#include <c10/core/impl/DeviceGuardImplInterface.h>
#include <c10/util/ScopeExit.h>
#include "late_card.h"

namespace {

constexpr auto CARD = c10::DeviceType::PrivateUse1;

// --- memory ---

struct CardAllocator final : c10::DeviceAllocator {
  c10::DataPtr allocate(size_t bytes) override {
    void* address = late_card::take(bytes);
    return {address, address, &late_card::give_back, c10::Device(CARD, 0)};
  }
  c10::DeleterFnPtr raw_deleter() const override { return &late_card::give_back; }
  void copy_data(void* to, const void* from, size_t bytes) const override { std::memcpy(to, from, bytes); }
  bool initialized() override { return true; }
  void emptyCache(c10::MempoolId_t) override {}
  void recordStream(const c10::DataPtr& pointer, c10::Stream stream) override {
    auto found = late_card::block_at(pointer.get());
    if (found != late_card::blocks.end()) found->second.recorded.insert(stream.id());
  }
  c10::CachingDeviceAllocator::DeviceStats getDeviceStats(c10::DeviceIndex) override { return {}; }
  void resetAccumulatedStats(c10::DeviceIndex) override {}
  void resetPeakStats(c10::DeviceIndex) override { late_card::peak_bytes = late_card::allocated_bytes; }
};
CardAllocator card_allocator;
REGISTER_ALLOCATOR(CARD, &card_allocator);

struct PinnedAllocator final : at::HostAllocator {
  c10::DataPtr allocate(size_t bytes) override {
    void* address = late_card::pin(bytes);
    return {address, address, &late_card::unpin, c10::Device(c10::kCPU)};
  }
  c10::DeleterFnPtr raw_deleter() const override { return &late_card::unpin; }
  void copy_data(void* to, const void* from, size_t bytes) const override { std::memcpy(to, from, bytes); }
  bool record_event(void*, void*, c10::Stream) override { return true; }
  void empty_cache() override { late_card::empty_host_cache(); }
  at::HostStats get_stats() override { return {}; }
  void reset_accumulated_stats() override {}
  void reset_peak_stats() override { late_card::pinned_peak_bytes = late_card::pinned_bytes; }
};
PinnedAllocator pinned_allocator;

// --- the device ---

struct Hooks final : at::PrivateUse1HooksInterface {
  bool isBuilt() const override { return true; }
  bool isAvailable() const override { return true; }
  bool hasPrimaryContext(c10::DeviceIndex) const override { return true; }
  c10::DeviceIndex deviceCount() const override { return 1; }
  c10::DeviceIndex getCurrentDevice() const override { return 0; }
  void setCurrentDevice(c10::DeviceIndex) const override {}
  c10::DeviceIndex exchangeDevice(c10::DeviceIndex) const override { return 0; }
  c10::DeviceIndex maybeExchangeDevice(c10::DeviceIndex) const override { return 0; }
  at::Device getDeviceFromPtr(void*) const override { return at::Device(CARD, 0); }
  bool isPinnedPtr(const void* address) const override { return late_card::pin_at(address) != late_card::pins.end(); }
  c10::Allocator* getPinnedMemoryAllocator() const override { return &pinned_allocator; }
  void resizePrivateUse1Bytes(const c10::Storage& storage, size_t bytes) const override {
    auto grown = card_allocator.allocate(bytes);
    if (storage.nbytes()) std::memcpy(grown.get(), storage.data(), std::min(bytes, storage.nbytes()));
    storage.unsafeGetStorageImpl()->set_data_ptr(std::move(grown));
    storage.unsafeGetStorageImpl()->set_nbytes(bytes);
  }
};
Hooks hooks;

c10::Stream stream_of(int64_t id) { return c10::Stream(c10::Stream::UNSAFE, c10::Device(CARD, 0), id); }

struct Guard final : c10::impl::DeviceGuardImplInterface {
  c10::DeviceType type() const override { return CARD; }
  c10::Device exchangeDevice(c10::Device) const override { return {CARD, 0}; }
  c10::Device getDevice() const override { return {CARD, 0}; }
  void setDevice(c10::Device) const override {}
  void uncheckedSetDevice(c10::Device) const noexcept override {}
  c10::DeviceIndex deviceCount() const noexcept override { return 1; }
  c10::Stream getStream(c10::Device) const override { return stream_of(late_card::current_stream); }
  c10::Stream getDefaultStream(c10::Device) const override { return stream_of(0); }
  c10::Stream getNewStream(c10::Device, int) const override { return stream_of(++late_card::last_stream); }
  c10::Stream exchangeStream(c10::Stream stream) const override {
    return stream_of(std::exchange(late_card::current_stream, stream.id()));
  }
  bool queryStream(const c10::Stream& stream) const override { return late_card::streams[stream.id()].pending.empty(); }
  void synchronizeStream(const c10::Stream& stream) const override { late_card::synchronize(stream.id()); }
  void synchronizeDevice(c10::DeviceIndex) const override { late_card::synchronize_all(); }
  void recordDataPtrOnStream(const c10::DataPtr& pointer, const c10::Stream& stream) const override {
    card_allocator.recordStream(pointer, stream);
  }
  void record(void** event, const c10::Stream& stream, c10::DeviceIndex, c10::EventFlag) const override {
    if (!*event) *event = new late_card::Event();
    late_card::record(*(late_card::Event*)*event, stream.id());
  }
  void block(void* event, const c10::Stream& stream) const override {
    if (event) late_card::wait(*(late_card::Event*)event, stream.id());
  }
  void synchronizeEvent(void* event) const override { if (event) late_card::synchronize(*(late_card::Event*)event); }
  bool queryEvent(void*) const override { return false; }
  void destroyEvent(void* event, c10::DeviceIndex) const noexcept override { delete (late_card::Event*)event; }
};
C10_REGISTER_GUARD_IMPL(PrivateUse1, Guard);

// --- copies ---

at::Tensor as_host(const at::Tensor& tensor) {  // the same memory, as the processor sees it
  void* data = tensor.storage().data() ? (char*)tensor.storage().data() + tensor.storage_offset() * tensor.itemsize() : nullptr;
  auto options = tensor.options().device(c10::kCPU).pinned_memory(false);
  return at::for_blob(data, tensor.sizes()).strides(tensor.strides()).options(options).make_tensor();
}

bool is_pinned(const at::Tensor& tensor) { return hooks.isPinnedPtr(tensor.data_ptr()); }

int64_t operate(const std::vector<at::Tensor>& read, const std::vector<at::Tensor>& written) {  // now, on the current stream
  int64_t stream = late_card::current_stream, tick = late_card::begin(stream);
  late_card::carry_out(stream);
  for (auto& tensor : read) if (tensor.defined() && tensor.is_privateuseone() && tensor.has_storage()) late_card::access(tensor.storage().data(), stream, tick, false);
  for (auto& tensor : written) if (tensor.defined() && tensor.is_privateuseone() && tensor.has_storage()) late_card::access(tensor.storage().data(), stream, tick, true);
  return tick;
}

bool is_computing = false;  // what the processor then fetches for itself moves on no card

at::Tensor copy_from(const at::Tensor& from, const at::Tensor& to, bool non_blocking) {
  if (!from.numel()) return to;
  if (is_computing) {
    as_host(to).copy_(as_host(from));
    return to;
  }
  bool to_card = to.is_privateuseone() && !from.is_privateuseone(), to_host = from.is_privateuseone() && !to.is_privateuseone();
  const at::Tensor& hosts = to_card ? from : to;
  if (to_card || to_host) {
    std::string way = to_card ? "to_card" : "to_host";
    late_card::moved[way] += from.nbytes();
    if (!is_pinned(hosts)) late_card::moved[way + "_pageable"] += from.nbytes();
  }
  bool is_plain = from.dtype() == to.dtype() && from.is_contiguous() && to.is_contiguous();
  if ((to_card || to_host) && non_blocking && is_plain && is_pinned(hosts)) {
    int64_t stream = late_card::current_stream, tick = late_card::begin(stream);
    late_card::access(to_card ? to.data_ptr() : from.data_ptr(), stream, tick, to_card);
    late_card::streams[stream].pending.push_back({(char*)to.data_ptr(), (const char*)from.data_ptr(), from.nbytes(), tick});
    return to;
  }
  operate({from}, {to});
  if (to_host) late_card::synchronize(late_card::current_stream);
  as_host(to).copy_(as_host(from));
  return to;
}

at::Tensor copy_from_and_resize(const at::Tensor& from, const at::Tensor& to) {
  if (from.sizes() != to.sizes()) at::native::resize_(to, from.sizes());
  return copy_from(from, to, false);
}

at::Scalar item(const at::Tensor& tensor) {
  operate({tensor}, {});
  late_card::synchronize(late_card::current_stream);
  late_card::moved["to_host"] += tensor.nbytes();
  return at::_local_scalar_dense(as_host(tensor));
}

// --- arithmetic ---

// Where CUDA too takes indices, masks or sources from the host.
const std::set<std::string> MIXED = {"aten::index.Tensor", "aten::index.Tensor_out", "aten::index_put_", "aten::index_put",
                                     "aten::_index_put_impl_", "aten::copy_", "aten::set_.source_Tensor"};

template <class Visit> void visit(const c10::IValue& value, Visit&& see) {
  if (value.isTensor()) see(value.toTensor());
  else if (value.isTensorList()) for (at::Tensor tensor : value.toTensorList()) see(tensor);
  else if (value.isOptionalTensorList()) for (std::optional<at::Tensor> tensor : value.toOptionalTensorList()) if (tensor) see(*tensor);
}

void by_processor(const c10::OperatorHandle& op, torch::jit::Stack* stack) {
  auto& schema = op.schema();
  auto arguments = torch::jit::last(*stack, schema.arguments().size());
  std::vector<at::Tensor> read, written;
  bool has_card = false, has_host = false;
  for (size_t i = 0; i < arguments.size(); i++) {
    auto* alias = schema.arguments()[i].alias_info();
    visit(arguments[i], [&](const at::Tensor& tensor) {
      if (!tensor.defined()) return;
      has_card |= tensor.is_privateuseone();
      has_host |= tensor.is_cpu() && tensor.dim() > 0;
      (alias && alias->isWrite() ? written : read).push_back(tensor);
    });
  }
  std::string name = schema.operator_name().name + (schema.overload_name().empty() ? "" : "." + schema.overload_name());
  TORCH_CHECK(!(has_card && has_host) || MIXED.count(name), "Expected all tensors to be on the same device, but found at "
              "least two devices, late_card:0 and cpu! (", name, ")");
  operate(read, written);
  {
    auto computed = c10::make_scope_exit([was = std::exchange(is_computing, true)] { is_computing = was; });
    at::native::cpu_fallback(op, stack, false);
  }
  for (auto& value : torch::jit::last(*stack, schema.returns().size()))
    visit(value, [&](const at::Tensor& tensor) { operate({}, {tensor}); });
}

at::Tensor convolve(const at::Tensor& x, const at::Tensor& weight, const std::optional<at::Tensor>& bias, c10::SymIntArrayRef stride,
                    c10::SymIntArrayRef padding, c10::SymIntArrayRef dilation, bool is_transposed, c10::SymIntArrayRef output_padding, c10::SymInt groups) {
  bool has_bias = bias && bias->defined();
  TORCH_CHECK(x.is_privateuseone() && weight.is_privateuseone() && (!has_bias || bias->is_privateuseone()),
              "Expected all tensors to be on the same device, but found at least two devices, late_card:0 and cpu! (convolution)");
  operate({x, weight, has_bias ? *bias : x}, {});
  std::optional<at::Tensor> host_bias;
  if (has_bias) host_bias = as_host(*bias);
  auto made = at::convolution_symint(as_host(x), as_host(weight), host_bias, stride, padding, dilation, is_transposed, output_padding, groups);
  auto result = at::empty_strided(made.sizes(), made.strides(), x.options());
  operate({}, {result});
  as_host(result).copy_(made);
  return result;
}

at::Tensor empty(c10::SymIntArrayRef size, std::optional<at::ScalarType> dtype, std::optional<at::Layout>, std::optional<at::Device>,
                 std::optional<bool>, std::optional<at::MemoryFormat> format) {
  return at::detail::empty_generic(C10_AS_INTARRAYREF_SLOW(size), &card_allocator, c10::DispatchKeySet(c10::DispatchKey::PrivateUse1),
                                   c10::dtype_or_default(dtype), format);
}

at::Tensor empty_strided(c10::SymIntArrayRef size, c10::SymIntArrayRef stride, std::optional<at::ScalarType> dtype, std::optional<at::Layout>,
                         std::optional<at::Device>, std::optional<bool>) {
  return at::detail::empty_strided_generic(C10_AS_INTARRAYREF_SLOW(size), C10_AS_INTARRAYREF_SLOW(stride), &card_allocator,
                                           c10::DispatchKeySet(c10::DispatchKey::PrivateUse1), c10::dtype_or_default(dtype));
}

TORCH_LIBRARY_IMPL(_, PrivateUse1, m) { m.fallback(torch::CppFunction::makeFromBoxedFunction<&by_processor>()); }

TORCH_LIBRARY_IMPL(aten, PrivateUse1, m) {
  m.impl("empty.memory_format", empty);
  m.impl("empty_strided", empty_strided);
  m.impl("_copy_from", copy_from);
  m.impl("_copy_from_and_resize", copy_from_and_resize);
  m.impl("_local_scalar_dense", item);
  m.impl("convolution_overrideable", convolve);
  m.impl("resize_", [](const at::Tensor& t, c10::SymIntArrayRef size, std::optional<at::MemoryFormat> format) -> const at::Tensor& {
    return at::native::resize_(t, C10_AS_INTARRAYREF_SLOW(size), format);
  });
  m.impl("as_strided", [](const at::Tensor& t, c10::SymIntArrayRef size, c10::SymIntArrayRef stride, std::optional<c10::SymInt> offset) {
    auto at = offset ? std::optional<int64_t>(offset->expect_int()) : std::nullopt;
    return at::native::as_strided_tensorimpl(t, C10_AS_INTARRAYREF_SLOW(size), C10_AS_INTARRAYREF_SLOW(stride), at);
  });
  m.impl("view", [](const at::Tensor& t, c10::SymIntArrayRef size) { return at::native::view(t, C10_AS_INTARRAYREF_SLOW(size)); });
  m.impl("_reshape_alias", [](const at::Tensor& t, c10::SymIntArrayRef size, c10::SymIntArrayRef stride) {
    return at::native::_reshape_alias(t, C10_AS_INTARRAYREF_SLOW(size), C10_AS_INTARRAYREF_SLOW(stride));
  });
  m.impl("unfold", [](const at::Tensor& t, int64_t dim, int64_t size, int64_t step) { return at::native::unfold(t, dim, size, step); });
  m.impl("_has_compatible_shallow_copy_type", [](const at::Tensor&, const at::Tensor&) { return true; });  // as CUDA's to the host's
  m.impl("set_.source_Tensor", [](at::Tensor& t, const at::Tensor& source) -> at::Tensor& { return at::native::set_tensor_(t, source); });
  m.impl("set_.source_Storage", [](at::Tensor& t, at::Storage source) -> at::Tensor& { return at::native::set_(t, source); });
  m.impl("set_.source_Storage_storage_offset", [](at::Tensor& t, at::Storage source, c10::SymInt offset, c10::SymIntArrayRef size,
                                                  c10::SymIntArrayRef stride) -> at::Tensor& {
    return at::native::set_storage_cpu_(t, source, offset.expect_int(), C10_AS_INTARRAYREF_SLOW(size), C10_AS_INTARRAYREF_SLOW(stride));
  });
}

}  // namespace

PYBIND11_MODULE(_late_card, m) {
  at::RegisterPrivateUse1HooksInterface(&hooks);
  at::setHostAllocator(CARD, &pinned_allocator);
  m.def("figures", [] {
    return std::map<std::string, int64_t>{
        {"allocated", late_card::allocated_bytes}, {"peak", late_card::peak_bytes}, {"total", late_card::total_bytes},
        {"free", late_card::total_bytes - late_card::others_bytes - late_card::allocated_bytes},
        {"pinned", late_card::pinned_bytes}, {"pinned_peak", late_card::pinned_peak_bytes}};
  });
  m.def("moved", [] { return late_card::moved; });
  m.def("hazards", [] { return late_card::hazards; });
  m.def("set_total", [](size_t bytes) { late_card::total_bytes = bytes; });
  m.def("set_others", [](size_t bytes) { late_card::others_bytes = bytes; });
  m.def("set_limit", [](size_t bytes) { late_card::limit_bytes = bytes; });
  m.def("set_pinned_limit", [](size_t bytes) { late_card::pinned_limit_bytes = bytes; });
  m.def("synchronize", [] { late_card::synchronize_all(); });
  m.def("reset_peak", [] { late_card::peak_bytes = late_card::allocated_bytes; late_card::pinned_peak_bytes = late_card::pinned_bytes; });
  m.def("forget", [] { late_card::synchronize_all(); late_card::moved.clear(); late_card::hazards.clear(); });
}
