#include "arch/builder.hpp"

namespace canirun {

RecurrentInput Builder::rs_inp()
{
  // llama_memory_recurrent::init_full: every cell takes part, and there is one a sequence.
  const auto n_rs = n_seqs();
  RecurrentInput in;
  in.s_copy = input(TensorType::i32, n_rs);
  in.s_copy_main = view_1d(in.s_copy, n_seqs(), 0);
  in.s_copy_extra = view_1d(in.s_copy, n_rs - n_seqs(), n_seqs() * 4);
  return in;
}

Ref Builder::state(CacheKind kind, std::uint32_t il, std::uint64_t width)
{
  if (!recording()) return Ref{0};
  auto& made = caches_.at(il)[static_cast<std::size_t>(kind)];
  if (!made) made = leaf(Leaf::recurrent_state, TensorType::f32, {width, n_seqs(), 1, 1}, static_cast<std::int32_t>(il));
  return made;
}

Ref Builder::rs(const RecurrentInput& inp, Ref state, std::uint64_t width)
{
  return rs(inp, state, width, [this](Ref states, Ref ids) { return get_rows(states, ids); });
}

Ref Builder::rs_begin(Ref state, std::uint64_t width)
{
  const auto states = reshape(state, width, at(state).ne[1]);
  expand(scale_inplace(view_1d(states, width, 0)));  // one state is cleared, for sequences that begin
  return states;
}

void Builder::rs_end(const RecurrentInput& inp, Ref state, Ref states, std::uint64_t width)
{
  const auto extra = get_rows(states, inp.s_copy_extra);
  const auto nb1 = at(state).nb[1];
  expand(cpy(extra, view_2d(state, width, at(inp.s_copy_extra).ne[0], nb1, n_seqs() * nb1)));
}

}  // namespace canirun
