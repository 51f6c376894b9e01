#include <array>
#include <vector>

#include "media/denoiser.hpp"

/// \file
/// The UNet of Stable Diffusion (stable-diffusion.cpp: src/model/diffusion/unet.hpp, src/model/common/block.hpp).

namespace canirun {

namespace {

constexpr std::uint64_t k_channels = 320;
constexpr std::uint64_t k_time = 1280;  ///< Width of the time embedding: 4 · channels.
constexpr std::uint64_t k_text = 77;    ///< Tokens of a CLIP prompt.
constexpr std::size_t k_blocks = 2;     ///< Residual blocks a level on the way down; one more on the way up.

struct UnetShape {
  std::string_view arch;
  std::vector<std::uint64_t> widths;  ///< Channels of each level, in units of 320.
  std::vector<std::uint64_t> depths;  ///< Transformer blocks at each level; the middle has the last level's, or 1.
  std::uint64_t n_head = 0;           ///< 0: heads of 64.
  std::uint64_t n_embd_text = 0;
  std::uint64_t n_vector = 0;  ///< Width of the pooled text and size embedding; 0 = none.
  bool linear = false;         ///< Projections around the transformer are matrices, not 1×1 convolutions.
};

const std::array<UnetShape, 3>& shapes()
{
  static const std::array<UnetShape, 3> k_shapes{{
      {"sd1", {1, 2, 4, 4}, {1, 1, 1, 0}, 8, 768, 0, false},
      {"sd2", {1, 2, 4, 4}, {1, 1, 1, 0}, 0, 1024, 0, true},
      {"sdxl", {1, 2, 4}, {0, 2, 10}, 0, 2048, 2816, true},
  }};
  return k_shapes;
}

const UnetShape* find(std::string_view arch)
{
  for (const auto& s : shapes()) {
    if (s.arch == arch) return &s;
  }
  return nullptr;
}

class Unet {
 public:
  Unet(Net& net, const UnetShape& shape) : n_(net), s_(shape) {}

  void build(std::uint64_t width, std::uint64_t height, std::uint64_t channels)
  {
    text_ = n_.input(TensorType::f32, s_.n_embd_text, k_text);
    time_ = n_.linear(n_.input(TensorType::f32, k_channels), k_time, true, WeightKind::kept);
    time_ = n_.linear(n_.silu_(time_), k_time, true, WeightKind::kept);
    if (s_.n_vector > 0) {
      auto label = n_.linear(n_.input(TensorType::f32, s_.n_vector), k_time, true, WeightKind::kept);
      label = n_.linear(n_.silu_(label), k_time, true, WeightKind::kept);
      time_ = n_.add(time_, label);
    }
    auto x = n_.conv(n_.input(TensorType::f32, width, height, channels), k_channels);
    std::vector<Ref> skips{x};
    const auto last = s_.widths.size() - 1;
    for (std::size_t level = 0; level <= last; ++level) {
      for (std::size_t i = 0; i < k_blocks; ++i) {
        x = transformer(residual(x, k_channels * s_.widths[level]), s_.depths[level]);
        skips.push_back(x);
      }
      if (level == last) continue;
      x = n_.conv(x, k_channels * s_.widths[level], 3, 2);
      skips.push_back(x);
    }
    const auto wide = k_channels * s_.widths[last];
    x = residual(transformer(residual(x, wide), std::max<std::uint64_t>(1, s_.depths[last])), wide);
    for (std::size_t level = last + 1; level-- > 0;) {
      for (std::size_t i = 0; i <= k_blocks; ++i) {
        x = n_.concat(x, skips.back(), 2);
        skips.pop_back();
        x = transformer(residual(x, k_channels * s_.widths[level]), s_.depths[level]);
        if (level > 0 && i == k_blocks) x = upsample(x);
      }
    }
    n_.expand(n_.conv(n_.silu_(n_.group_norm(x)), channels));
  }

 private:
  std::uint64_t channels_of(Ref x) const { return n_.at(x).ne[2]; }

  Ref residual(Ref x, std::uint64_t n_out)
  {
    auto h = n_.conv(n_.silu_(n_.group_norm(x)), n_out);
    const auto shift = n_.linear(n_.silu(time_), n_out);
    h = n_.add(h, n_.reshape(shift, 1, 1, n_out));
    h = n_.conv(n_.silu_(n_.group_norm(h)), n_out);
    return n_.add(h, channels_of(x) == n_out ? x : n_.conv(x, n_out, 1));
  }

  Ref upsample(Ref x)
  {
    const auto ne = n_.at(x).ne;
    return n_.conv(n_.custom(Op::pool_2d, TensorType::f32, {2 * ne[0], 2 * ne[1], ne[2], ne[3]}, {x}), ne[2]);
  }

  Ref attention(Ref x, Ref text, std::uint64_t n_head)
  {
    const auto width = n_.at(x).ne[0];
    const auto q = n_.linear(x, width, false), k = n_.linear(text, width, false), v = n_.linear(text, width, false);
    return n_.linear(n_.attention(q, k, v, n_head), width);
  }

  Ref feed_forward(Ref x)
  {
    const auto width = n_.at(x).ne[0];
    const auto both = n_.linear(x, 8 * width);
    const auto gate = n_.gelu_(n_.chunk(both, 2, 1));
    return n_.linear(n_.mul(n_.chunk(both, 2, 0), gate), width);
  }

  Ref transformer(Ref x, std::uint64_t depth)
  {
    if (depth == 0) return x;
    const auto width = n_.at(x).ne[0], height = n_.at(x).ne[1], channels = n_.at(x).ne[2];
    const auto n_head = s_.n_head ? s_.n_head : channels / 64;
    auto h = n_.group_norm(x);
    const auto as_tokens = [&](Ref image) {
      return n_.reshape(n_.cont(n_.permute(image, 1, 2, 0, 3)), channels, width * height);
    };
    h = s_.linear ? n_.linear(as_tokens(h), channels) : as_tokens(n_.conv(h, channels, 1));
    for (std::uint64_t i = 0; i < depth; ++i) {
      const auto self = n_.layer_norm(h, true);
      h = n_.add(attention(self, self, n_head), h);
      h = n_.add(attention(n_.layer_norm(h, true), text_, n_head), h);
      h = n_.add(feed_forward(n_.layer_norm(h, true)), h);
    }
    if (s_.linear) h = n_.linear(h, channels);
    h = n_.reshape(n_.cont(n_.permute(h, 1, 0, 2, 3)), width, height, channels);
    if (!s_.linear) h = n_.conv(h, channels, 1);
    return n_.add(h, x);
  }

  Net& n_;
  const UnetShape& s_;
  Ref text_, time_;
};

}  // namespace

bool is_unet(std::string_view arch) { return find(arch) != nullptr; }

void build_unet(Net& net, std::string_view arch, const MediaSpec& spec, const ImageShape& image)
{
  const auto latent = spec.latent.value_or(Latent{4, 8, 1, {1, 1, 1}});
  Unet(net, *find(arch)).build(image.latent_width(latent), image.latent_height(latent), latent.channels);
}

}  // namespace canirun
