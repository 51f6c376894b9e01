#include "evaluate_all.hpp"

#include <algorithm>
#include <atomic>
#include <exception>
#include <system_error>
#include <thread>
#include <tuple>

namespace canirun {

namespace {

const QuantReport* best_row(const ModelReport& m) { return m.best ? &m.quants[*m.best] : nullptr; }

/// Smaller is earlier.
double sort_value(const ModelReport& m, std::string_view key)
{
  const auto* row = best_row(m);
  if (key == "params") return -static_cast<double>(m.n_params);
  if (!row) return 0;
  if (key == "grade") return -static_cast<double>(row->grade.letter);
  if (key == "speed") return row->speed.generation_tps ? -row->speed.generation_tps->estimate : 0;
  if (key == "memory") return static_cast<double>(row->memory.total().count);
  if (key == "context") return -static_cast<double>(row->max_ctx.value_or(0));
  return 0;
}

}  // namespace

void on_all_cores(std::size_t n, const std::function<void(std::size_t)>& work_on)
{
  std::atomic<std::size_t> next{0};
  std::atomic_flag failed;
  std::exception_ptr problem;  // the first one: memory may run out on any thread
  const auto work = [&] {
    try {
      for (std::size_t i; (i = next.fetch_add(1)) < n;) work_on(i);
    } catch (...) {
      if (!failed.test_and_set()) problem = std::current_exception();
      next = n;
    }
  };
  const auto workers = std::min<std::size_t>({std::max(1u, std::thread::hardware_concurrency()), 8, n});
  {
    std::vector<std::jthread> threads;
    try {
      for (std::size_t i = 1; i < workers; ++i) threads.emplace_back(work);
    } catch (const std::system_error&) {
      // This user may start no more threads: those that run do it all.
    }
    work();
  }
  if (problem) std::rethrow_exception(problem);
}

std::vector<ModelReport> evaluate_all(const std::vector<AskedModel>& subjects, const HardwareProfile& hardware,
                                      const Question& question)
{
  std::vector<ModelReport> reports(subjects.size());
  on_all_cores(subjects.size(), [&](std::size_t i) { reports[i] = evaluate(*subjects[i].spec, subjects[i].facts, hardware, question); });
  return reports;
}

void sort_models(std::vector<ModelReport>& models, std::string_view key)
{
  std::ranges::stable_sort(models, [&](const ModelReport& a, const ModelReport& b) {
    const auto rank = [&](const ModelReport& m) { return std::tuple(!m.best, sort_value(m, key)); };
    if (rank(a) != rank(b)) return rank(a) < rank(b);
    if (key == "release" && a.release != b.release) return a.release > b.release;
    if (key == "grade" && a.n_params != b.n_params) return a.n_params > b.n_params;
    return a.id < b.id;
  });
}

}  // namespace canirun
