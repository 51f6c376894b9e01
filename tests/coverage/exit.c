/* Linked into what is built for coverage, so that processes that end in other ways than by exit write their counts too: the probe's children
 * end by _exit, and are killed when they have said all. That counts cannot be written (by another user, without a root of its own) is not
 * said where tests read. CMakeLists.txt wraps _exit and kill. */
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

void __gcov_dump(void);
_Noreturn void __real__exit(int status);
_Noreturn void __wrap__exit(int status);
int __real_kill(pid_t pid, int sig);
int __wrap_kill(pid_t pid, int sig);

/* After main, and before libgcov's own destructor, which is of priority 100. */
__attribute__((destructor(101))) static void say_nothing(void)
{
  if (freopen("/dev/null", "w", stderr) == NULL) return; /* it is closed then */
}

void __wrap__exit(int status)
{
  say_nothing();
  __gcov_dump();
  __real__exit(status);
}

/* A group of processes has a second to end by itself. */
int __wrap_kill(pid_t pid, int sig)
{
  siginfo_t ended = {0};
  for (int i = 0; pid < 0 && i < 1000 && waitid(P_PID, (id_t)-pid, &ended, WEXITED | WNOHANG | WNOWAIT) == 0 && ended.si_pid == 0; ++i) usleep(1000);
  return __real_kill(pid, sig);
}
