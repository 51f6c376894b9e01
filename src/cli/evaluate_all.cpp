#include "evaluate_all.hpp"

#include <pthread.h>
#include <sched.h>

#include <algorithm>
#include <atomic>
#include <exception>
#include <thread>
#include <tuple>
#include <utility>

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

/// Threads that begin on another core than the one that starts them: the kernel leaves them there until its next tick (4 ms at 250 Hz)
/// otherwise, which is a tenth of a listing.
class Threads {
 public:
  explicit Threads(std::function<void()> work) : work_(std::move(work))
  {
    if (::sched_getaffinity(0, sizeof all_, &all_) != 0) CPU_ZERO(&all_);
    elsewhere_ = all_;
    if (const auto here = ::sched_getcpu(); here >= 0) CPU_CLR(static_cast<std::size_t>(here), &elsewhere_);
  }
  ~Threads()
  {
    for (const auto thread : threads_) ::pthread_join(thread, nullptr);
  }
  Threads(const Threads&) = delete;
  Threads& operator=(const Threads&) = delete;

  /// False: this user may start no more, and those that run do it all.
  bool start()
  {
    threads_.reserve(threads_.size() + 1);
    pthread_attr_t attributes;
    ::pthread_attr_init(&attributes);
    if (CPU_COUNT(&elsewhere_) > 0) ::pthread_attr_setaffinity_np(&attributes, sizeof elsewhere_, &elsewhere_);
    pthread_t thread{};
    const auto run = [](void* self) -> void* {
      const auto& threads = *static_cast<const Threads*>(self);
      if (CPU_COUNT(&threads.all_) > 0) ::pthread_setaffinity_np(::pthread_self(), sizeof threads.all_, &threads.all_);
      threads.work_();
      return nullptr;
    };
    const bool started = ::pthread_create(&thread, &attributes, run, this) == 0;
    ::pthread_attr_destroy(&attributes);
    if (started) threads_.push_back(thread);
    return started;
  }

 private:
  std::function<void()> work_;
  cpu_set_t all_{}, elsewhere_{};  ///< Cores that this process may use; those without this thread's.
  std::vector<pthread_t> threads_;
};

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
    Threads threads(work);
    for (std::size_t i = 1; i < workers && threads.start(); ++i) {
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
