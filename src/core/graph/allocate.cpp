#include "graph/allocate.hpp"

#include <algorithm>
#include <limits>

#include "graph/backend_rules.hpp"

namespace canirun {
namespace {

constexpr std::size_t k_max_chunks = 16;  // ggml-alloc.c: GGML_VBUFFER_MAX_CHUNKS
constexpr std::uint64_t k_endless = std::numeric_limits<std::uint64_t>::max() / 2;

/// ggml-alloc.c: ggml_op_can_inplace.
bool can_be_in_place(Op op)
{
  switch (op) {
    case Op::fill:
    case Op::scale:
    case Op::diag_mask_inf:
    case Op::add:
    case Op::add_id:
    case Op::add1:
    case Op::sub:
    case Op::mul:
    case Op::div:
    case Op::sqr:
    case Op::sqrt:
    case Op::log:
    case Op::unary:
    case Op::rope:
    case Op::rms_norm:
    case Op::clamp:
    case Op::soft_max: return true;
    default: return false;
  }
}

bool same_layout(const GraphTensor& a, const GraphTensor& b) { return a.type == b.type && a.ne == b.ne && a.nb == b.nb; }

}  // namespace

void BlockAllocator::reset(std::uint64_t alignment, std::uint64_t max_chunk)
{
  alignment_ = alignment;
  max_chunk_ = std::min(max_chunk, k_endless);
  n_chunks_ = 0;
  alive_ = most_alive_ = 0;
}

BlockAllocator::Address BlockAllocator::allocate(std::uint64_t bytes)
{
  const auto size = pad_to(bytes, alignment_);
  alive_ += size;
  most_alive_ = std::max(most_alive_, alive_);
  Chunk* chunk = nullptr;
  std::size_t best = 0, chosen = 0;
  // The best fit among the blocks that cannot grow: all but the last of a chunk.
  for (std::size_t c = 0; c < n_chunks_; ++c) {
    auto smallest = std::numeric_limits<std::uint64_t>::max();
    auto& blocks = chunks_[c].free;
    for (std::size_t i = 0; i + 1 < blocks.size(); ++i) {
      if (blocks[i].size < size || blocks[i].size > smallest) continue;
      chunk = &chunks_[c];
      chosen = c;
      best = i;
      smallest = blocks[i].size;
    }
  }
  if (!chunk) {
    // Else a last block: the one that leaves least of the space already counted, or grows the chunk least.
    auto best_reuse = std::numeric_limits<std::int64_t>::min();
    for (std::size_t c = 0; c < n_chunks_; ++c) {
      auto& blocks = chunks_[c].free;
      if (blocks.empty() || blocks.back().size < size) continue;
      const auto reuse = static_cast<std::int64_t>(chunks_[c].peak - blocks.back().offset - size);
      const bool better = best_reuse < 0 ? reuse > best_reuse : false;
      const bool tighter = reuse >= 0 && reuse < best_reuse;
      if (!better && !tighter) continue;
      chunk = &chunks_[c];
      chosen = c;
      best = blocks.size() - 1;
      best_reuse = reuse;
    }
  }
  if (!chunk) {
    if (n_chunks_ == chunks_.size()) chunks_.emplace_back();
    chosen = n_chunks_++;
    chunk = &chunks_[chosen];
    chunk->peak = 0;
    const auto room = n_chunks_ == k_max_chunks ? k_endless : std::max(size, max_chunk_);
    chunk->free.assign(1, {0, room});
    best = 0;
  }
  auto& block = chunk->free[best];
  const Address address{static_cast<std::uint32_t>(chosen), block.offset};
  block.offset += size;
  block.size -= size;
  if (block.size == 0) chunk->free.erase(chunk->free.begin() + static_cast<std::ptrdiff_t>(best));
  chunk->peak = std::max(chunk->peak, address.offset + size);
  return address;
}

void BlockAllocator::release(Address address, std::uint64_t bytes)
{
  const auto size = pad_to(bytes, alignment_);
  alive_ -= size;
  auto& blocks = chunks_[address.chunk].free;
  // Every block is looked at: a tensor of no bytes may be released inside of a free block, and stays as an empty block after it.
  for (auto block = blocks.begin(); block != blocks.end(); ++block) {
    if (block->offset + block->size == address.offset) {
      block->size += size;
      const auto after = block + 1;
      if (after != blocks.end() && block->offset + block->size == after->offset) {
        block->size += after->size;
        blocks.erase(after);
      }
      return;
    }
    if (address.offset + size == block->offset) {
      block->offset = address.offset;
      block->size += size;
      if (block != blocks.begin() && (block - 1)->offset + (block - 1)->size == block->offset) {
        (block - 1)->size += block->size;
        blocks.erase(block);
      }
      return;
    }
  }
  // Empty blocks may have left the list unsorted: llama.cpp inserts before the first block that is not below.
  blocks.insert(std::ranges::find_if(blocks, [&](const Block& b) { return b.offset >= address.offset; }), {address.offset, size});
}

std::uint64_t BlockAllocator::peak() const
{
  std::uint64_t sum = 0;
  for (std::size_t c = 0; c < n_chunks_; ++c) sum += chunks_[c].peak;
  return sum;
}

void BlockAllocator::append_state(std::vector<std::uint64_t>& state) const
{
  for (std::size_t c = 0; c < n_chunks_; ++c) {
    state.push_back(chunks_[c].peak);
    state.push_back(chunks_[c].free.size());
    for (const auto& block : chunks_[c].free) state.insert(state.end(), {block.offset, block.size});
  }
}

Backend GraphAllocator::backend_of(std::int8_t device) const
{
  return static_cast<std::size_t>(device) < schedule_->n_gpus ? schedule_->backend : Backend::cpu;
}

/// Sets a tensor's device and its size there, which stays known when the tensor is made anew.
void GraphAllocator::place(std::int32_t id, std::int8_t device)
{
  auto& own = states_[static_cast<std::size_t>(id)];
  if (own.device == device) return;
  own.device = device;
  own.bytes = alloc_size(backend_of(device), schedule_->tensors, schedule_->tensors[static_cast<std::size_t>(id)]);
}

/// Takes over the memory of a source that nothing else reads; what the result does not need of it is released.
bool GraphAllocator::reuse_source(std::int32_t id)
{
  const auto& t = schedule_->tensors[static_cast<std::size_t>(id)];
  for (const auto src : t.sources()) {
    if (src < 0) continue;
    auto& parent = states_[static_cast<std::size_t>(src)];
    const auto& p = schedule_->tensors[static_cast<std::size_t>(src)];
    if (!parent.allocated || p.is_output || parent.n_children != 1 || parent.n_views != 0 || !same_layout(t, p)) continue;
    auto& own = states_[static_cast<std::size_t>(id)];
    place(id, parent.device);
    own.address = parent.address;
    parent.allocated = false;
    auto& allocator = allocators_[static_cast<std::size_t>(parent.device)];
    const auto had = pad_to(parent.bytes, allocator.alignment());
    const auto needs = pad_to(own.bytes, allocator.alignment());
    if (had > needs) allocator.release({parent.address.chunk, parent.address.offset + needs}, had - needs);
    return true;
  }
  return false;
}

void GraphAllocator::allocate(std::int32_t id, std::int8_t device)
{
  auto& own = states_[static_cast<std::size_t>(id)];
  if (own.allocated || own.elsewhere) return;
  own.allocated = true;
  if (can_be_in_place(schedule_->tensors[static_cast<std::size_t>(id)].op) && reuse_source(id)) return;
  place(id, device);
  own.address = allocators_[static_cast<std::size_t>(device)].allocate(own.bytes);
}

void GraphAllocator::release(std::int32_t id)
{
  if (schedule_->tensors[static_cast<std::size_t>(id)].is_output) return;
  auto& own = states_[static_cast<std::size_t>(id)];
  allocators_[static_cast<std::size_t>(own.device)].release(own.address, own.bytes);
  own.allocated = false;
}

void GraphAllocator::begin(const Schedule& schedule)
{
  schedule_ = &schedule;
  const auto& tensors = schedule.tensors;
  states_.assign(tensors.size(), {});
  for (std::size_t i = 0; i < tensors.size(); ++i) states_[i].elsewhere = tensors[i].view_src >= 0 || schedule.home[i] >= 0;
  allocators_.resize(schedule.n_gpus + 1);
  for (std::size_t i = 0; i < schedule.n_gpus; ++i) {
    allocators_[i].reset(buffer_alignment(schedule.backend), max_chunk_size(schedule.backend));
  }
  const auto host = schedule.n_gpus ? schedule.backend : Backend::cpu;
  allocators_.back().reset(host_alignment(host), schedule.n_gpus ? max_chunk_size(host) : k_endless);

  for (const auto& leaf : schedule.leafs) {
    allocate(leaf.tensor, leaf.device);
    for (auto& r : replays_) {
      if (!r.inputs.empty() && leaf.tensor == r.inputs.back()) allocate_inputs(r);
    }
  }

  for (const auto& step : schedule.steps) {
    const auto& t = tensors[static_cast<std::size_t>(step.tensor)];
    if (t.view_src >= 0 && t.op != Op::none) ++states_[static_cast<std::size_t>(t.view_src)].n_views;
    if (t.is_input) allocate(step.tensor, step.device);
    for (const auto src : t.sources()) {
      if (src < 0) continue;
      ++states_[static_cast<std::size_t>(src)].n_children;
      if (tensors[static_cast<std::size_t>(src)].is_input) allocate(src, step.device);
    }
  }
}

void GraphAllocator::step(const Step& step)
{
  const auto& tensors = schedule_->tensors;
  const auto& t = tensors[static_cast<std::size_t>(step.tensor)];
  for (const auto src : t.sources()) {
    if (src < 0) continue;
    const auto& s = states_[static_cast<std::size_t>(src)];
    if (!s.allocated && !s.elsewhere) allocate(src, step.device);
  }
  allocate(step.tensor, step.device);
  for (const auto src : t.sources()) {
    if (src < 0) continue;
    auto& parent = states_[static_cast<std::size_t>(src)];
    if (--parent.n_children != 0 || parent.n_views != 0) continue;
    const auto root = tensors[static_cast<std::size_t>(src)].view_src;
    if (root >= 0) {
      auto& viewed = states_[static_cast<std::size_t>(root)];
      if (--viewed.n_views == 0 && viewed.n_children == 0 && viewed.allocated) release(root);
    } else if (parent.allocated) {
      release(src);
    }
  }
}

std::span<const std::uint64_t> GraphAllocator::peaks()
{
  sizes_.clear();
  for (const auto& allocator : allocators_) sizes_.push_back(allocator.peak());
  return sizes_;
}

std::vector<std::uint64_t> GraphAllocator::most_alive() const
{
  std::vector<std::uint64_t> bytes;
  for (const auto& allocator : allocators_) bytes.push_back(allocator.most_alive());
  return bytes;
}

std::span<const std::uint64_t> GraphAllocator::reserve(const Schedule& schedule)
{
  replays_.clear();
  begin(schedule);
  for (const auto& s : schedule.steps) step(s);
  return peaks();
}

}  // namespace canirun
