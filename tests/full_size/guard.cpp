// A device guard for CUDA that does nothing. PyTorch's builds for processors have none, and without one no tensor can be
// said to be on a card, not even a fake one that has a shape and no bytes.
#include <c10/core/impl/DeviceGuardImplInterface.h>

namespace {
c10::impl::NoOpDeviceGuardImpl<c10::DeviceType::CUDA> guard;

struct Registration {
  Registration() {
    c10::impl::device_guard_impl_registry[static_cast<size_t>(c10::DeviceType::CUDA)].store(&guard);
  }
} registration;
}  // namespace
