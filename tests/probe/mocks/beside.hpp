#pragma once

#include <dlfcn.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

/// The JSON file beside the library that holds `symbol`: what the mock driver is to answer.
inline nlohmann::json read_beside(const void* symbol, const char* file)
{
  Dl_info info{};
  if (::dladdr(symbol, &info) == 0 || info.dli_fname == nullptr) return nlohmann::json::object();
  std::ifstream in(std::filesystem::path(info.dli_fname).parent_path() / file);
  return nlohmann::json::parse(in, nullptr, false);
}
