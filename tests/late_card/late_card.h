// The memory, streams and events of the simulated card. What PyTorch sees of them is in late_card.cpp.
//
// Time on a card is not time on its host: what is asked of a stream happens later, and only events and waits put work
// of two streams in order. Here arithmetic happens at once, and copies between pinned memory and the card as late as
// the rules allow: when somebody waits for them. Who computes with a copy without waiting computes with NaN.
//
// Every access to the card's memory is also checked against vector clocks: for each stream, how much of each other
// stream's work is known to be done. Two accesses to one block that nothing puts in order are a hazard, whether or not
// this run shows it: on a real card they are a race that is usually won.
#pragma once
#include <c10/core/AllocatorConfig.h>
#include <c10/util/Exception.h>
#include <sys/mman.h>
#include <cstring>
#include <deque>
#include <map>
#include <set>
#include <string>
#include <vector>

namespace late_card {

using Clock = std::map<int64_t, int64_t>;  // by stream: the last of its operations that is known to be done

inline void merge(Clock& into, const Clock& other) {
  for (auto [stream, tick] : other) into[stream] = std::max(into[stream], tick);
}

struct Copy { char* to; const char* from; size_t bytes; int64_t tick; };
struct Stream { std::deque<Copy> pending; Clock seen; };
struct Event { int64_t stream = 0, tick = 0; Clock seen; bool is_recorded = false; };
struct Block { size_t bytes; int64_t owner; int64_t writer = 0, written = 0; Clock uses; std::set<int64_t> recorded; };

// Never destroyed: tensors that live until the process ends give their memory back after static objects are gone.
inline auto& streams = *new std::map<int64_t, Stream>();
inline auto& host = *new Clock();  // what the host has waited for
inline int64_t current_stream = 0, last_stream = 0;

inline auto& blocks = *new std::map<char*, Block>();
inline size_t total_bytes = 0, others_bytes = 0, limit_bytes = SIZE_MAX, allocated_bytes = 0, peak_bytes = 0;

struct Pinned { size_t asked, taken; bool is_used; };
inline auto& pins = *new std::map<char*, Pinned>();
inline size_t pinned_limit_bytes = SIZE_MAX, pinned_bytes = 0, pinned_peak_bytes = 0;  // freed blocks that are kept count

inline auto& moved = *new std::map<std::string, int64_t>();  // bytes: to_card, to_host, and of each what was pageable
inline auto& hazards = *new std::vector<std::string>();

// --- streams ---

inline int64_t begin(int64_t stream) {  // one more operation on `stream`; it comes after all that the host waited for
  auto& seen = streams[stream].seen;
  merge(seen, host);
  return ++seen[stream];
}

inline void carry_out(int64_t stream, int64_t until = INT64_MAX) {
  auto& pending = streams[stream].pending;
  for (; !pending.empty() && pending.front().tick <= until; pending.pop_front())
    std::memcpy(pending.front().to, pending.front().from, pending.front().bytes);
}

inline void synchronize(int64_t stream) {
  carry_out(stream);
  merge(host, streams[stream].seen);
}

inline void synchronize_all() { for (auto& entry : streams) synchronize(entry.first); }

inline void record(Event& event, int64_t stream) {
  event = {stream, begin(stream), streams[stream].seen, true};
}

inline void wait(const Event& event, int64_t stream) {
  if (!event.is_recorded) return;
  carry_out(event.stream, event.tick);
  merge(streams[stream].seen, event.seen);
}

inline void synchronize(const Event& event) {
  if (!event.is_recorded) return;
  carry_out(event.stream, event.tick);
  merge(host, event.seen);
}

// --- the card's memory ---

inline std::map<char*, Block>::iterator block_at(const void* address) {
  auto found = blocks.upper_bound((char*)address);
  if (found == blocks.begin()) return blocks.end();
  --found;
  return (char*)address < found->first + found->second.bytes ? found : blocks.end();
}

inline void check(int64_t stream, int64_t other, int64_t tick, const char* what) {
  if (stream != other && streams[stream].seen[other] < tick)
    hazards.push_back("stream " + std::to_string(stream) + what + std::to_string(other) + ", and nothing puts them in order");
}

inline void access(const void* address, int64_t stream, int64_t tick, bool is_write) {
  auto found = block_at(address);
  if (found == blocks.end()) return;
  Block& block = found->second;
  if (block.written) check(stream, block.writer, block.written, is_write ? " overwrites what is written by stream " : " reads what is written by stream ");
  if (is_write) {
    for (auto [other, used] : block.uses) check(stream, other, used, " overwrites what is read by stream ");
    block.uses.clear();
    block.writer = stream, block.written = tick;
  } else {
    block.uses[stream] = tick;
  }
}

inline void* take(size_t bytes) {
  if (!bytes) return nullptr;
  size_t rounded = (bytes + 511) / 512 * 512;
  size_t most = std::min(limit_bytes, total_bytes - others_bytes);
  TORCH_CHECK_WITH(OutOfMemoryError, allocated_bytes + rounded <= most, "late_card out of memory. Tried to allocate ",
                   rounded, " bytes; ", allocated_bytes, " of ", most, " are in use");
  void* address = mmap(nullptr, rounded, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  std::memset(address, 0xFF, rounded);  // NaN in every floating dtype, until something is written
  blocks[(char*)address] = {rounded, current_stream};
  allocated_bytes += rounded;
  peak_bytes = std::max(peak_bytes, allocated_bytes);
  return address;
}

inline void give_back(void* address) {
  if (!address) return;
  auto found = blocks.find((char*)address);
  Block& block = found->second;
  auto& seen = streams[block.owner].seen;
  merge(seen, host);
  // The allocator hands the block to the next who asks on its owner's stream, without asking any other stream.
  auto uses = block.uses;
  if (block.written) uses[block.writer] = std::max(uses[block.writer], block.written);
  for (auto [stream, tick] : uses)
    if (!block.recorded.count(stream)) check(block.owner, stream, tick, " may reuse memory that is freed while in use by stream ");
  for (auto& [stream, state] : streams)
    for (auto& copy : state.pending)
      if (block_at(copy.to) == found || block_at(copy.from) == found) { carry_out(stream); break; }
  allocated_bytes -= block.bytes;
  munmap(address, block.bytes);
  blocks.erase(found);
}

// --- pinned memory, by the rules of CachingHostAllocator.h ---

inline size_t rounded_pin(size_t bytes) {
  if (bytes > c10::CachingAllocator::AcceleratorAllocatorConfig::pinned_max_round_threshold()) return bytes;
  size_t rounded = 1;
  while (rounded < bytes) rounded <<= 1;
  return rounded;
}

inline std::map<char*, Pinned>::iterator pin_at(const void* address) {
  auto found = pins.upper_bound((char*)address);
  if (found == pins.begin()) return pins.end();
  --found;
  return found->second.is_used && (char*)address < found->first + found->second.asked ? found : pins.end();
}

inline void* pin(size_t bytes) {
  if (!bytes) return nullptr;
  size_t rounded = rounded_pin(bytes);
  for (auto& [address, pinned] : pins)
    if (!pinned.is_used && pinned.taken == rounded) { pinned.is_used = true, pinned.asked = bytes; return address; }
  if (pinned_bytes + rounded > pinned_limit_bytes)  // as cudaHostAlloc refuses
    throw c10::AcceleratorError({__func__, __FILE__, (uint32_t)__LINE__}, 2, "CUDA error: out of memory");
  char* address = (char*)mmap(nullptr, rounded, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  pins[address] = {bytes, rounded, true};
  pinned_bytes += rounded;
  pinned_peak_bytes = std::max(pinned_peak_bytes, pinned_bytes);
  return address;
}

inline void unpin(void* address) {
  if (!address) return;
  auto found = pins.find((char*)address);
  for (auto& [stream, state] : streams)  // a real one waits for the copies in its events before it hands the block on
    for (auto& copy : state.pending)
      if (pin_at(copy.to) == found || pin_at(copy.from) == found) { carry_out(stream); break; }
  std::memset(address, 0xFF, found->second.asked);
  found->second.is_used = false;
}

inline void empty_host_cache() {
  for (auto entry = pins.begin(); entry != pins.end();)
    if (entry->second.is_used) ++entry;
    else {
      munmap(entry->first, entry->second.taken);
      pinned_bytes -= entry->second.taken;
      entry = pins.erase(entry);
    }
}

}  // namespace late_card
