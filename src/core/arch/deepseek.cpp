#include "arch/decoder.hpp"
#include "arch/families.hpp"

namespace canirun {

/// models/deepseek.cpp: DeepSeek-MoE 16B, plain attention.
void build_deepseek(Builder& b) { decoder(b, {.feed_forward = experts_or_dense}); }

/// models/deepseek2ocr.cpp: the language model of DeepSeek-OCR.
void build_deepseek2_ocr(Builder& b) { decoder(b, {.feed_forward = experts_or_dense}); }

}  // namespace canirun
