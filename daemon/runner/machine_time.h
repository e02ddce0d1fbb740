// Whose the machine's time is. A rate pays for the machine's second, not for a prediction's: two predictions
// that run in the same second share it, whichever workers they run in (docs/formats/cost.md, "Shares").
//
// A clock runs at 1/n while n members are joined, so that the members' shares add up to the time in which at
// least one was there, however they overlap. Each event is O(1): a member remembers the clock's reading when
// it joined, and its share is the difference when it leaves. Monotonic time, whole nanoseconds with 32 bits
// of fraction. One thread.
#pragma once

#include <cstdint>

namespace mrun {

__extension__ typedef unsigned __int128 SharedTime;

class SharedClock {
 public:
  // The reading at the beginning of a membership.
  SharedTime join(std::int64_t now_ns);
  // Ends a membership that began at that reading: its share in nanoseconds, rounded down.
  std::int64_t leave(SharedTime joined, std::int64_t now_ns);
  // The share of a member so far.
  std::int64_t share(SharedTime joined, std::int64_t now_ns) const;
  // While paused the clock stands still, whoever is joined.
  void pause(bool paused, std::int64_t now_ns);
  bool is_empty() const { return m_members == 0; }

 private:
  SharedTime reading(std::int64_t now_ns) const;
  void advance(std::int64_t now_ns);

  SharedTime m_reading = 0;
  std::int64_t m_last_ns = 0;
  std::int64_t m_members = 0;
  bool m_paused = false;
};

// The machine's second goes to what works (predictions and loads, in equal parts); only when nothing works it
// goes to the loaded workers that wait.
class MachineTime {
 public:
  SharedTime begin_work(std::int64_t now_ns);
  std::int64_t end_work(SharedTime began, std::int64_t now_ns);
  SharedTime begin_idle(std::int64_t now_ns) { return m_idle.join(now_ns); }
  std::int64_t end_idle(SharedTime began, std::int64_t now_ns) { return m_idle.leave(began, now_ns); }
  std::int64_t idle_share(SharedTime began, std::int64_t now_ns) const { return m_idle.share(began, now_ns); }

 private:
  SharedClock m_work, m_idle;
};

// The part of `duration_ns` that a share of `occupied_ns` makes: all of it where the share is all.
std::int64_t scaled_share(std::int64_t duration_ns, std::int64_t share_ns, std::int64_t occupied_ns);

} // namespace mrun
