#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "canirun/core/evaluate.hpp"
#include "canirun/core/model.hpp"
#include "canirun/core/result.hpp"
#include "canirun/formats/data_paths.hpp"

/// \file
/// The catalogue `data/models.json` (canirun.models/1): compiled in, extended or overridden by files (docs/catalogue.md).

namespace canirun {

/// How sure the size of one component is.
enum class Precision { exact, recalled, published, estimate };

/// A part of an image, video or audio model that is loaded on its own: "unet", "transformer", "text_encoder", "vae", "model" …
struct Component {
  std::string role;
  std::string name;
  std::uint64_t n_params = 0;
  Precision precision = Precision::published;
};

/// The latent space that a denoiser works in.
struct Latent {
  std::uint32_t channels = 0;
  std::uint32_t downscale = 0;                  ///< Pixels per latent, each way.
  std::uint32_t temporal = 1;                   ///< Frames per latent frame.
  std::array<std::uint32_t, 3> patch{1, 1, 1};  ///< Latents per token: frames, height, width.
};

/// An encoder-decoder for speech (whisper.cpp); n_embd, n_head, n_ff and n_vocab are the spec's.
struct WhisperSpec {
  std::uint32_t n_layer_enc = 0;
  std::uint32_t n_layer_dec = 0;
  std::uint32_t n_mels = 0;
  std::uint32_t n_audio_ctx = 0;
};

/// One entry as the file has it, and the spec made of it. `spec.arch` is empty for kinds without a llama.cpp architecture.
struct CatalogueEntry {
  ModelSpec spec;
  ModelFacts facts;
  std::vector<std::string> aliases;
  std::vector<std::string> input;  ///< "text", "image", "audio", "video".
  std::string supersedes;  ///< Id of the version before it, of the same family and size.
  Confidence confidence = Confidence::exact;
  std::vector<std::string> sources;
  std::string notes;
  std::string checked;  ///< Date of the last comparison with its sources, YYYY-MM-DD.

  std::vector<Component> components;  ///< Of image, video and audio models.
  std::optional<Latent> latent;
  std::array<std::uint32_t, 2> native_resolution{0, 0};  ///< Width, height; 0 = none.
  std::optional<WhisperSpec> whisper;
};

class Catalogue {
 public:
  /// The catalogue compiled into the program.
  static Result<Catalogue> builtin();
  /// Parses a whole file; `file` names it in messages (file, position, entry, field).
  static Result<Catalogue> parse(std::string_view json, std::string_view file);
  /// Entries of `other` are added; those with an id that exists replace it, and a name of theirs wins over an older entry's alias.
  void merge(Catalogue other);

  std::span<const CatalogueEntry> entries() const { return entries_; }
  /// By id, alias, Hugging Face repository or its last part, Ollama tag; case and punctuation folded; then the same without the
  /// suffixes of published variants ("-instruct", "-chat", "-it", "-hf", "-gguf", ":latest", a file type).
  const CatalogueEntry* find(std::string_view name) const;
  /// Up to `limit` ids that look most like `name`, nearest first; empty when nothing is near.
  std::vector<std::string> suggest(std::string_view name, std::size_t limit = 3) const;

 private:
  std::vector<CatalogueEntry> entries_;
};

/// The whole catalogue: compiled in or replaced, then each addition. A file that is wrong is an error, nothing of it is used.
Result<Catalogue> load_catalogue(const DataEnvironment& environment, std::span<const std::filesystem::path> extra);

/// One thing that is wrong with an entry of a catalogue file.
struct Finding {
  std::string file;
  std::string entry;  ///< Its id, or "" for the file as a whole.
  std::string field;
  std::string message;
};

/// Everything that is wrong with a catalogue file, not only the first: schema, arithmetic, duplicates, unknown architectures.
/// The arithmetic compares n_params of an exact entry with what its shapes add up to.
std::vector<Finding> validate_catalogue(std::string_view json, std::string_view file);

/// The entry as it stands in `data/models.json`, indented by four spaces, without a comma after it.
std::string to_catalogue_json(const CatalogueEntry& entry);

/// A catalogue entry for a model read from config.json or a GGUF file: what the file says, and marks where a person must add facts.
CatalogueEntry import_entry(ModelSpec spec, std::string_view source);

/// Lower case, letters and digits only: "Llama-3.1:8B" → "llama318b"; how names are compared everywhere.
std::string fold(std::string_view text);

}  // namespace canirun
