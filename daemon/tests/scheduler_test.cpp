// Each rule of docs/formats/scheduler.md, one at a time.
#include "daemon/tests/scheduler_bench.h"

using namespace mrun;
using namespace mrun::sched;
using namespace std::chrono_literals;

TEST_CASE("one load serves every waiter, in order, within the concurrency") {
  Bench bench;
  ModelTraits traits;
  traits.concurrency = 2;
  bench.submit(1, 7, traits);
  CHECK(bench.count<StartWorker>() == 1);
  const WorkerId worker = bench.find<StartWorker>()->worker;
  bench.submit(2, 7, traits);
  bench.submit(3, 7, traits);
  CHECK(bench.actions.empty());
  bench.on(Loaded{worker, 0});
  REQUIRE(bench.count<Dispatch>() == 2);
  CHECK(std::get<Dispatch>(bench.actions[0]).key == 1);
  CHECK(std::get<Dispatch>(bench.actions[1]).key == 2);
  bench.done(2, worker);
  CHECK(bench.finish_of(2)->as_reported);
  REQUIRE(bench.find<Dispatch>() != nullptr);
  CHECK(bench.find<Dispatch>()->key == 3);
  CHECK(bench.state.active() == 2);
}

TEST_CASE("a full queue refuses, and only that submit") {
  Bench bench;
  for (RunKey key = 1; key <= 4; ++key)
    bench.submit(key, 7);
  bench.submit(5, 7);
  REQUIRE(bench.find<Refuse>() != nullptr);
  CHECK(bench.find<Refuse>()->error.code == ErrorCode::queue_full);
  CHECK(bench.find<Refuse>()->error.message == "4 predictions wait for 'acme/m7' already, the limit is 4");
  CHECK(bench.state.active() == 4);
  bench.submit(5, 8);
  CHECK(bench.find<Refuse>() == nullptr);
}

TEST_CASE("a model larger than the budget is refused with the numbers") {
  Bench bench;
  ModelTraits traits;
  traits.memory_bytes = 101;
  bench.submit(1, 7, traits);
  REQUIRE(bench.find<Refuse>() != nullptr);
  CHECK(bench.find<Refuse>()->error.code == ErrorCode::memory_insufficient);
  CHECK(bench.find<Refuse>()->error.message.find("'acme/m7' needs 101 B") != std::string::npos);
  CHECK(bench.state.models.empty());
}

TEST_CASE("the least recently used idle worker is evicted, and its memory waited for") {
  Bench bench;
  ModelTraits traits;
  traits.memory_bytes = 40;
  const WorkerId first = bench.load(1, 1, traits);
  const WorkerId second = bench.load(2, 2, traits);
  bench.done(2, second);
  bench.now_ns += k_second;
  bench.done(1, first); // used last
  bench.submit(3, 3, traits);
  REQUIRE(bench.end_of(second) != nullptr);
  CHECK(bench.end_of(second)->mode == EndMode::exit);
  CHECK(bench.end_of(first) == nullptr);
  CHECK(bench.find<StartWorker>() == nullptr);
  bench.on(WorkerEnded{second, some_error()});
  CHECK(bench.find<StartWorker>() != nullptr);
  CHECK(bench.find<Finish>() == nullptr);
}

TEST_CASE("a busy or pinned worker is not evicted; the load waits") {
  Bench bench;
  ModelTraits traits;
  traits.memory_bytes = 60;
  const WorkerId busy = bench.load(1, 1, traits);
  bench.submit(2, 2, traits);
  CHECK(bench.actions.empty());
  bench.done(1, busy);
  CHECK(bench.end_of(busy) != nullptr);

  Bench other;
  traits.pinned = true;
  const WorkerId pinned = other.load(1, 1, traits);
  other.done(1, pinned);
  ModelTraits plain;
  plain.memory_bytes = 60;
  other.submit(2, 2, plain);
  REQUIRE(other.find<Refuse>() != nullptr);
  CHECK(other.find<Refuse>()->error.code == ErrorCode::memory_insufficient);
}

TEST_CASE("a load that waits too long goes before younger work of a resident model") {
  Bench bench;
  ModelTraits traits;
  traits.memory_bytes = 60;
  const WorkerId busy = bench.load(1, 1, traits);
  bench.submit(2, 2, traits);
  bench.submit(3, 1, traits);
  bench.done(1, busy);
  CHECK(bench.find<Dispatch>() != nullptr); // the resident model first: no swap for every request
  bench.submit(4, 1, traits);
  bench.after(2s);
  bench.done(3, busy);
  CHECK(bench.find<Dispatch>() == nullptr);
  CHECK(bench.end_of(busy) != nullptr);
  bench.on(WorkerEnded{busy, some_error()});
  CHECK(bench.find<StartWorker>()->model == 2);
}

TEST_CASE("core tokens: many-threaded work is not kept out by few-threaded") {
  Bench bench;
  ModelTraits one, two, none;
  one.threads = 1;
  two.threads = 2;
  const WorkerId a = bench.load(1, 1, one);
  bench.submit(2, 2, two);
  const WorkerId b = bench.find<StartWorker>()->worker;
  bench.on(Loaded{b, 0});
  CHECK(bench.actions.empty());
  bench.submit(3, 3, one);
  bench.on(Loaded{bench.find<StartWorker>()->worker, 0});
  CHECK(bench.actions.empty()); // a core is free, but 2 came first
  bench.load(4, 4, none);       // needs no core
  bench.done(1, a);
  REQUIRE(bench.count<Dispatch>() == 1);
  CHECK(bench.find<Dispatch>()->key == 2);
  bench.done(2, b);
  CHECK(bench.find<Dispatch>()->key == 3);
}

TEST_CASE("cancel: queued is gone at once, and a load that nobody waits for is dropped") {
  Bench bench;
  bench.submit(1, 7);
  const WorkerId worker = bench.find<StartWorker>()->worker;
  bench.submit(2, 7);
  bench.on(Cancel{1});
  CHECK(bench.finish_of(1)->status == PredictionStatus::canceled);
  CHECK(bench.finish_of(1)->error->code == ErrorCode::cancelled);
  CHECK(bench.end_of(worker) == nullptr);
  bench.on(Cancel{2});
  CHECK(bench.end_of(worker)->mode == EndMode::kill);
  bench.on(Loaded{worker, 0}); // it was on its way
  CHECK(bench.actions.empty());
  bench.on(WorkerEnded{worker, some_error()});
  CHECK(bench.state.workers.empty());
  CHECK(bench.state.models.at(7).failures_in_row == 0);
  bench.on(Cancel{2});
  bench.on(Cancel{99});
  CHECK(bench.actions.empty());
}

TEST_CASE("cancel while running: asked, then given up, then SIGTERM, then SIGKILL") {
  Bench bench;
  const WorkerId worker = bench.load(1, 7);
  bench.on(Cancel{1});
  CHECK(bench.find<SendCancel>()->key == 1);
  bench.on(Cancel{1});
  CHECK(bench.actions.empty());
  bench.after(5s);
  CHECK(bench.finish_of(1)->status == PredictionStatus::canceled);
  CHECK(bench.end_of(worker)->mode == EndMode::terminate);
  CHECK(bench.state.active() == 0);
  bench.after(5s);
  CHECK(bench.end_of(worker)->mode == EndMode::kill);
  bench.on(WorkerEnded{worker, some_error()});
  CHECK(bench.find<Finish>() == nullptr);
  CHECK(bench.state.runs.empty());
}

TEST_CASE("cancel while running: the worker's own end counts") {
  Bench bench;
  const WorkerId worker = bench.load(1, 7);
  bench.on(Cancel{1});
  bench.done(1, worker, PredictionStatus::canceled);
  CHECK(bench.finish_of(1)->error->code == ErrorCode::cancelled);
  bench.submit(2, 7);
  bench.on(Cancel{2});
  bench.done(2, worker); // it was faster
  CHECK(bench.finish_of(2)->as_reported);
  bench.submit(3, 7);
  bench.done(3, worker, PredictionStatus::canceled); // nobody asked
  CHECK(bench.finish_of(3)->status == PredictionStatus::failed);
  CHECK(bench.finish_of(3)->error->code == ErrorCode::prediction_failed);
}

TEST_CASE("a stuck prediction does not take its neighbours along") {
  Bench bench;
  ModelTraits traits;
  traits.concurrency = 2;
  const WorkerId worker = bench.load(1, 7, traits);
  bench.submit(2, 7, traits);
  bench.submit(3, 7, traits);
  bench.on(Cancel{1});
  bench.after(5s);
  CHECK(bench.finish_of(1) != nullptr);
  CHECK(bench.end_of(worker) == nullptr);
  bench.done(2, worker);
  CHECK(bench.find<Dispatch>() == nullptr); // a suspect worker gets nothing new
  CHECK(bench.end_of(worker)->mode == EndMode::terminate);
  bench.on(WorkerEnded{worker, some_error()});
  CHECK(bench.find<StartWorker>() != nullptr);
}

TEST_CASE("deadlines: aborted in the queue, canceled while running") {
  Bench bench;
  const std::int64_t deadline = bench.now_ns + 3 * k_second;
  const WorkerId worker = bench.load(1, 7);
  bench.on(Cancel{1});
  bench.submit(2, 7, {}, deadline);
  bench.after(3s);
  CHECK(bench.finish_of(2)->status == PredictionStatus::aborted);
  CHECK(bench.finish_of(2)->error->code == ErrorCode::aborted);
  bench.done(1, worker);
  bench.submit(3, 7, {}, bench.now_ns + k_second);
  bench.after(1s);
  CHECK(bench.find<SendCancel>()->key == 3);
  bench.done(3, worker, PredictionStatus::canceled);
  CHECK(bench.finish_of(3)->status == PredictionStatus::canceled);
  CHECK(bench.finish_of(3)->error->code == ErrorCode::deadline_exceeded);
  bench.submit(4, 7, {}, bench.now_ns - 1);
  CHECK(bench.finish_of(4)->status == PredictionStatus::aborted);
}

TEST_CASE("a prediction's own deadline may be later than the limit of those without") {
  Bench bench;
  bench.submit(1, 7, {}, bench.now_ns + std::chrono::nanoseconds(2 * k_prediction_timeout).count());
  const WorkerId worker = bench.find<StartWorker>()->worker;
  bench.on(Loaded{worker, 1});
  bench.after(k_prediction_timeout + 60s);
  CHECK(bench.find<SendCancel>() == nullptr);
  bench.after(k_prediction_timeout);
  CHECK(bench.find<SendCancel>()->key == 1);
}

TEST_CASE("a prediction without a deadline has the limit's") {
  Bench bench;
  bench.load(1, 7);
  bench.after(k_prediction_timeout);
  CHECK(bench.find<SendCancel>()->key == 1);
  bench.after(5s);
  CHECK(bench.finish_of(1)->error->code == ErrorCode::deadline_exceeded);
}

TEST_CASE("a load that fails: the waiters learn why, the next one waits 1, 2, 4 … s, then cool-down") {
  Bench bench;
  for (int failure = 0; failure < 5; ++failure) {
    bench.submit(10 + static_cast<RunKey>(failure), 7);
    if (failure > 0) {
      CHECK(bench.find<StartWorker>() == nullptr);
      bench.after(std::chrono::seconds(1 << (failure - 1)) - 1ns);
      CHECK(bench.find<StartWorker>() == nullptr);
      bench.after(1ns);
    }
    REQUIRE(bench.find<StartWorker>() != nullptr);
    const WorkerId worker = bench.find<StartWorker>()->worker;
    bench.on(LoadFailed{worker, some_error(ErrorCode::engine_unsupported)});
    CHECK(bench.finish_of(10 + static_cast<RunKey>(failure))->error->code == ErrorCode::engine_unsupported);
    bench.on(WorkerEnded{worker, some_error()});
    CHECK(bench.actions.empty());
  }
  bench.submit(20, 7);
  REQUIRE(bench.find<Refuse>() != nullptr);
  CHECK(bench.find<Refuse>()->error.code == ErrorCode::model_unhealthy);
  CHECK(bench.find<Refuse>()->error.notes.front() == "the last reason: it broke");
  bench.after(60s);
  bench.load(21, 7);
  CHECK(bench.state.models.at(7).failures_in_row == 0);
}

TEST_CASE("a load that does not end is killed") {
  Bench bench;
  bench.submit(1, 7);
  const WorkerId worker = bench.find<StartWorker>()->worker;
  bench.after(k_load_timeout);
  CHECK(bench.end_of(worker)->mode == EndMode::kill);
  CHECK(bench.finish_of(1)->error->code == ErrorCode::load_failed);
}

TEST_CASE("a worker that can't be spawned, or dies while loading, is a failed load") {
  Bench bench;
  bench.submit(1, 7);
  bench.on(SpawnFailed{bench.find<StartWorker>()->worker, some_error(ErrorCode::resources)});
  CHECK(bench.finish_of(1)->error->code == ErrorCode::resources);
  CHECK(bench.state.workers.empty());
  CHECK(bench.state.used_bytes == 0);
  bench.submit(2, 8);
  bench.on(WorkerEnded{bench.find<StartWorker>()->worker, some_error()});
  CHECK(bench.finish_of(2)->error->code == ErrorCode::worker_crashed);
  CHECK(bench.state.models.at(8).failures_in_row == 1);
}

TEST_CASE("a crash fails what ran there and nothing else") {
  Bench bench;
  const WorkerId worker = bench.load(1, 7);
  const WorkerId other = bench.load(2, 8);
  bench.submit(3, 7);
  bench.on(WorkerEnded{worker, some_error()});
  CHECK(bench.finish_of(1)->error->code == ErrorCode::worker_crashed);
  CHECK(bench.finish_of(2) == nullptr);
  CHECK(bench.finish_of(3) == nullptr);
  CHECK(bench.find<StartWorker>()->model == 7); // the next in the queue at once
  bench.done(2, other);
  CHECK(bench.finish_of(2)->as_reported);
}

TEST_CASE("a worker that breaks the protocol is killed") {
  Bench bench;
  const WorkerId worker = bench.load(1, 7);
  bench.on(WorkerBroken{worker, some_error(ErrorCode::worker_protocol)});
  CHECK(bench.finish_of(1)->error->code == ErrorCode::worker_protocol);
  CHECK(bench.end_of(worker)->mode == EndMode::kill);
  bench.on(WorkerEnded{worker, some_error()});
  CHECK(bench.actions.empty());
}

TEST_CASE("an unhealthy worker is replaced") {
  Bench bench;
  const WorkerId worker = bench.load(1, 7);
  bench.submit(2, 7);
  bench.done(1, worker, PredictionStatus::failed, false);
  CHECK(bench.end_of(worker)->mode == EndMode::exit);
  CHECK(bench.find<Dispatch>() == nullptr);
  bench.on(WorkerEnded{worker, some_error()});
  CHECK(bench.find<StartWorker>() != nullptr);
}

TEST_CASE("stop: without force the queue goes on in a new worker") {
  Bench bench;
  const WorkerId worker = bench.load(1, 7);
  bench.submit(2, 7);
  bench.on(StopModel{{7}, false, 5});
  CHECK(bench.actions.empty());
  bench.done(1, worker);
  CHECK(bench.end_of(worker)->mode == EndMode::exit);
  bench.after(5s);
  CHECK(bench.end_of(worker)->mode == EndMode::terminate);
  bench.on(WorkerEnded{worker, some_error()});
  CHECK(bench.find<StopDone>()->token == 5);
  CHECK(bench.find<StopDone>()->ended == 1);
  CHECK(bench.find<StartWorker>() != nullptr);
}

TEST_CASE("stop with force cancels all of it") {
  Bench bench;
  const WorkerId worker = bench.load(1, 7);
  bench.submit(2, 7);
  bench.on(StopModel{{7}, true, 5});
  CHECK(bench.finish_of(2)->status == PredictionStatus::canceled);
  CHECK(bench.find<SendCancel>()->key == 1);
  bench.done(1, worker, PredictionStatus::canceled);
  CHECK(bench.end_of(worker) != nullptr);
  bench.on(WorkerEnded{worker, some_error()});
  CHECK(bench.find<StopDone>()->ended == 1);
  bench.on(StopModel{{7, 99}, true, 6});
  CHECK(bench.find<StopDone>()->ended == 0);
}

TEST_CASE("drain: running and queued go on until the limit, then end; then the workers") {
  Bench bench;
  const WorkerId worker = bench.load(1, 7);
  bench.submit(2, 7);
  bench.on(Drain{bench.now_ns + 10 * k_second});
  bench.submit(3, 7);
  CHECK(bench.find<Refuse>()->error.code == ErrorCode::draining);
  bench.done(1, worker);
  CHECK(bench.find<Dispatch>()->key == 2);
  bench.submit(4, 7);
  bench.after(10s);
  CHECK(bench.find<SendCancel>()->key == 2);
  bench.done(2, worker, PredictionStatus::canceled);
  CHECK(bench.finish_of(2)->error->code == ErrorCode::interrupted);
  CHECK(bench.end_of(worker) != nullptr);
  CHECK(bench.find<DrainDone>() == nullptr);
  bench.on(WorkerEnded{worker, some_error()});
  CHECK(bench.find<DrainDone>() != nullptr);
}

TEST_CASE("drain without a limit aborts the queue at once; an idle daemon drains at once") {
  Bench bench;
  bench.load(1, 7);
  bench.submit(2, 7);
  bench.on(Drain{bench.now_ns});
  CHECK(bench.finish_of(2)->status == PredictionStatus::aborted);
  CHECK(bench.find<SendCancel>()->key == 1);
  Bench idle;
  idle.on(Drain{idle.now_ns + k_second});
  CHECK(idle.count<DrainDone>() == 1);
  CHECK_FALSE(next_wakeup_ns(idle.state).has_value());
}

TEST_CASE("idle workers are unloaded, pinned ones not") {
  Bench bench;
  bench.state.config.idle_unload = 60s;
  ModelTraits pinned;
  pinned.pinned = true;
  const WorkerId stays = bench.load(1, 1, pinned);
  const WorkerId goes = bench.load(2, 2);
  bench.done(1, stays);
  bench.done(2, goes);
  bench.after(59s);
  CHECK(bench.actions.empty());
  bench.after(1s);
  CHECK(bench.end_of(goes) != nullptr);
  CHECK(bench.end_of(stays) == nullptr);
}

TEST_CASE("what a worker really takes counts, and is remembered for the next load") {
  Bench bench;
  const WorkerId first = bench.load(1, 1);
  bench.done(1, first);
  const WorkerId second = bench.load(2, 2);
  bench.on(PredictionEnded{2, second, PredictionStatus::succeeded, true, 95});
  CHECK(bench.state.used_bytes == 105);
  CHECK(bench.end_of(first) != nullptr); // over the budget: the least recently used goes
  bench.on(WorkerEnded{first, some_error()});
  bench.on(WorkerEnded{second, some_error()});
  bench.submit(3, 2);
  CHECK(bench.state.used_bytes == 95);
  forget_idle_models(bench.state);
  CHECK(bench.state.models.size() == 1);
}

TEST_CASE("what a worker had not begun when it died goes back to its place in the queue, once") {
  Bench bench;
  ModelTraits traits;
  traits.concurrency = 2;
  const WorkerId worker = bench.load(1, 7, traits);
  const std::int64_t deadline_ns = bench.now_ns + 60 * k_second;
  bench.submit(2, 7, traits, deadline_ns);
  CHECK(bench.find<Dispatch>()->key == 2);
  bench.submit(3, 7, traits);
  bench.on(WorkerEnded{worker, some_error(), {2}});
  REQUIRE(bench.finish_of(1) != nullptr); // it had begun
  CHECK(bench.finish_of(1)->status == PredictionStatus::failed);
  CHECK(bench.finish_of(2) == nullptr);
  REQUIRE(bench.find<StartWorker>() != nullptr);
  CHECK(bench.state.used_tokens == 0);
  const WorkerId next = bench.find<StartWorker>()->worker;
  bench.on(Loaded{next, 0});
  REQUIRE(bench.count<Dispatch>() == 2);
  CHECK(std::get<Dispatch>(bench.actions[0]).key == 2); // before what came later
  bench.on(WorkerEnded{next, some_error(), {2, 3}});
  REQUIRE(bench.finish_of(2) != nullptr); // a second time
  CHECK(bench.finish_of(2)->error->code == ErrorCode::worker_crashed);
  CHECK(bench.finish_of(3) == nullptr);
  CHECK(bench.state.active() == 1);
}

TEST_CASE("a prediction that goes back to the queue keeps its deadline; a canceled one does not go back") {
  Bench bench;
  ModelTraits traits;
  traits.concurrency = 2;
  const WorkerId worker = bench.load(1, 7, traits);
  bench.submit(2, 7, traits, bench.now_ns + 10 * k_second);
  bench.on(Cancel{1});
  bench.on(WorkerEnded{worker, some_error(), {1, 2, 99}});
  REQUIRE(bench.finish_of(1) != nullptr);
  CHECK(bench.finish_of(1)->status == PredictionStatus::canceled);
  CHECK(bench.finish_of(2) == nullptr);
  bench.after(10s);
  REQUIRE(bench.finish_of(2) != nullptr);
  CHECK(bench.finish_of(2)->status == PredictionStatus::aborted);
  CHECK(bench.state.runs.empty());
}

TEST_CASE("another instance starts when more wait than slots are free or coming, up to the limit") {
  Bench bench;
  ModelTraits traits;
  traits.instances = 2;
  bench.submit(1, 7, traits);
  REQUIRE(bench.count<StartWorker>() == 1);
  const WorkerId first = bench.find<StartWorker>()->worker;
  bench.submit(2, 7, traits);
  REQUIRE(bench.count<StartWorker>() == 1); // the first one's slot is 1's
  const WorkerId second = bench.find<StartWorker>()->worker;
  bench.submit(3, 7, traits);
  CHECK(bench.actions.empty());
  bench.on(Loaded{second, 0}); // whoever is ready first takes the oldest
  REQUIRE(bench.find<Dispatch>() != nullptr);
  CHECK(bench.find<Dispatch>()->key == 1);
  CHECK(bench.find<Dispatch>()->worker == second);
  bench.on(Loaded{first, 0});
  CHECK(bench.find<Dispatch>()->key == 2);
  bench.done(1, second);
  CHECK(bench.find<Dispatch>()->key == 3);
  CHECK(bench.find<Dispatch>()->worker == second);
  bench.done(2, first);
  bench.done(3, second);
  bench.submit(4, 7, traits); // a free slot: nothing starts, the older one takes it
  CHECK(bench.count<StartWorker>() == 0);
  CHECK(bench.find<Dispatch>()->worker == first);
}

TEST_CASE("predictions go to the instance that has least to do") {
  Bench bench;
  ModelTraits traits;
  traits.instances = 2;
  traits.concurrency = 2;
  const WorkerId first = bench.load(1, 7, traits);
  bench.submit(2, 7, traits);
  CHECK(bench.count<StartWorker>() == 0);
  bench.submit(3, 7, traits);
  const WorkerId second = bench.find<StartWorker>()->worker;
  bench.on(Loaded{second, 0});
  CHECK(bench.find<Dispatch>()->worker == second);
  bench.done(1, first);
  bench.done(2, first);
  bench.submit(4, 7, traits);
  CHECK(bench.find<Dispatch>()->worker == first);
}

TEST_CASE("an instance that can't load fails nobody whom another serves") {
  Bench bench;
  ModelTraits traits;
  traits.instances = 2;
  const WorkerId first = bench.load(1, 7, traits);
  bench.submit(2, 7, traits);
  const WorkerId second = bench.find<StartWorker>()->worker;
  bench.on(LoadFailed{second, some_error(ErrorCode::load_failed)});
  CHECK(bench.finish_of(2) == nullptr);
  bench.on(WorkerEnded{second, some_error(), {}});
  CHECK(bench.count<StartWorker>() == 0); // it rests
  bench.after(1100ms);
  REQUIRE(bench.count<StartWorker>() == 1);
  bench.done(1, first);
  CHECK(bench.find<Dispatch>()->key == 2);
  CHECK(bench.find<Dispatch>()->worker == first);
}

TEST_CASE("a model of several instances is not unhealthy while one of them works") {
  Bench bench;
  ModelTraits traits;
  traits.instances = 2;
  bench.load(1, 7, traits);
  bench.submit(2, 7, traits);
  for (int i = 0; i < 5; ++i) {
    REQUIRE(bench.count<StartWorker>() == 1);
    const WorkerId failing = bench.find<StartWorker>()->worker;
    bench.on(SpawnFailed{failing, some_error(ErrorCode::load_failed)});
    if (i < 4) bench.after(std::chrono::seconds(1 << i));
  }
  CHECK(bench.state.models.at(7).unhealthy_until_ns > bench.now_ns);
  bench.submit(3, 7, traits);
  CHECK(bench.find<Refuse>() == nullptr);
}

TEST_CASE("another instance takes free memory, or that of idle models, and never keeps anyone waiting") {
  Bench bench;
  ModelTraits traits;
  traits.instances = 2;
  traits.memory_bytes = 60;
  const WorkerId first = bench.load(1, 7, traits);
  bench.submit(2, 7, traits); // 120 of 100: it goes on with one
  CHECK(bench.actions.empty());
  bench.submit(3, 8); // 10 of the 40 that are left
  CHECK(bench.count<StartWorker>() == 1);
  bench.done(1, first);
  CHECK(bench.find<Dispatch>()->key == 2);
}

TEST_CASE("a stopped model's instances all end") {
  Bench bench;
  ModelTraits traits;
  traits.instances = 3;
  const WorkerId first = bench.load(1, 7, traits);
  bench.submit(2, 7, traits);
  const WorkerId second = bench.find<StartWorker>()->worker;
  bench.on(Loaded{second, 0});
  bench.done(1, first);
  bench.on(StopModel{{7}, false, 9});
  CHECK(bench.end_of(first)->mode == EndMode::exit);
  CHECK(bench.end_of(second) == nullptr); // it works
  bench.on(WorkerEnded{first, some_error(), {}});
  CHECK(bench.find<StopDone>() == nullptr);
  bench.done(2, second);
  bench.on(WorkerEnded{second, some_error(), {}});
  REQUIRE(bench.find<StopDone>() != nullptr);
  CHECK(bench.find<StopDone>()->ended == 2);
}

TEST_CASE("a worker whose predictions wait for cores is not idle") {
  Bench bench;
  bench.state.config.idle_unload = 10s;
  ModelTraits traits;
  traits.threads = 2;
  bench.load(1, 7, traits);
  bench.submit(2, 8, traits);
  const WorkerId waiting = bench.find<StartWorker>()->worker;
  bench.on(Loaded{waiting, 0});
  CHECK(bench.find<Dispatch>() == nullptr);
  bench.after(11s);
  CHECK(bench.end_of(waiting) == nullptr);
  bench.on(Cancel{2});
  bench.after(11s);
  CHECK(bench.end_of(waiting) != nullptr);
}
