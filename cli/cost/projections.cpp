#include "cli/cost/projections.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>

#include <fmt/format.h>

#include "cli/cost/books.h"
#include "common/text.h"

namespace mrun::cli {
namespace {

double figure(const OwnRate& rate, const char* name) {
  const auto found = rate.basis.find(name);
  return found == rate.basis.end() ? 0 : std::strtod(found->second.c_str(), nullptr);
}

// --dtype, else what the weights are in, else fp16; the device that has run it can do it, whatever they are
// in.
std::string work_format(const Arguments& arguments, const ProjectionBase& base) {
  if (const auto given = arguments.value("dtype")) return *given;
  if (!base.dtype || (base.on != nullptr && !base.on->rate(*base.dtype))) return "fp16";
  return *base.dtype;
}

// What the measured device can do: by name, or as `mrun cost setup` noted it. Of one second of it.
Result<std::optional<Measured>> measured_device(const ProjectionBase& base, std::string_view dtype) {
  Measured measured;
  measured.seconds = 1;
  measured.bytes = base.bytes;
  measured.dtype = dtype;
  if (base.on != nullptr) {
    const std::optional<double> rate = base.on->rate(dtype);
    if (!rate)
      return fail(ErrorCode::cost_unknown,
                  fmt::format("{} has no units for {}", base.on->name, printable(std::string(dtype), 20)),
                  "--dtype is fp32, fp16, bf16, int8 or fp8");
    measured.tflops = *rate;
    measured.memory_gbs = base.on->memory_gbs;
    return std::optional(measured);
  }
  if (base.own) {
    measured.tflops = figure(*base.own, "tflops");
    measured.memory_gbs = figure(*base.own, "memory-gbs");
  }
  if (measured.tflops <= 0 || measured.memory_gbs <= 0) return std::optional<Measured>();
  return std::optional(measured);
}

Exact exact_ratio(double ratio) {
  constexpr double k_parts = 1e9, k_most = 9e18;
  return Exact(std::llround(std::clamp(ratio * k_parts, 0.0, k_most)), static_cast<std::int64_t>(k_parts));
}

// The same cases at that many times their typical time; how much they give is not asked.
Work scaled(const Work& work, const Exact& ratio) {
  Work there = work;
  for (CaseWork& one : there.cases) {
    const Exact seconds = one.seconds->typical * ratio;
    one = CaseWork{Expected{seconds, seconds}, {}};
  }
  return there;
}

// The rows by time of that one device.
std::vector<Offer> device_offers(const ProjectionBase& base, const Device& device) {
  std::vector<const PriceRow*> rows;
  for (const PriceRow& row : base.book.rows) {
    if (is_withdrawn(row) || !hourly_rate(row) || !is_row_of(row, device, base.devices, base.rules)) continue;
    // One device: of an instance the row has to say so, and one of a node of 8 is not sold alone.
    if (device_count(row).value_or(row.per.starts_with("gpu_") ? 1 : 0) == 1) rows.push_back(&row);
  }
  return offers_of(rows);
}

void add_price(const ProjectionBase& base, const Device& device, const Work& work, ProjectedLine& line) {
  const Work least = scaled(work, exact_ratio(line.projection.least_s));
  const Work most = scaled(work, exact_ratio(line.projection.most_s));
  std::optional<Exact> best;
  const PriceRow* unknown = nullptr; // why the others are not known: of one that more data would help first
  const auto is_before = [](const PriceRow& a, const PriceRow& b) {
    if (a.states.empty() != b.states.empty()) return b.states.empty();
    return *hourly_rate(a) < *hourly_rate(b);
  };
  line.no_price = "the price book has no price of one such device";
  for (const Offer& offer : device_offers(base, device)) {
    const Amount low = offer_amount(offer, least), high = offer_amount(offer, most);
    if (!high.worst) {
      if (unknown != nullptr && !is_before(offer.first(), *unknown)) continue;
      unknown = &offer.first();
      line.no_price = fmt::format("{}: {}", price_name(*unknown), high.reason);
      continue;
    }
    const Exact worst = std::max(*high.worst, high.typical.value_or(Exact(0)));
    if (best && *best <= worst) continue;
    best = worst;
    line.row = &offer.first();
    line.cost = Expected{std::min(low.typical.value_or(*low.worst), worst), worst};
    line.formula = high.formula;
    if (offer.style == PricingStyle::deployment) line.formula += "; a load as long as here";
  }
  if (best) line.no_price.clear();
}

} // namespace

Result<void> add_projections(const Arguments& arguments, const ProjectionBase& base, Estimate& estimate) {
  if (!estimate.seconds) {
    estimate.no_projection = "the time here is not known";
    return {};
  }
  const std::string dtype = work_format(arguments, base);
  MRUN_ASSIGN(const std::optional<Measured> measured, measured_device(base, dtype));
  if (!measured) {
    estimate.no_projection = "what the measured device can do is not known: --on DEVICE, or `mrun cost setup "
                             "--tflops N --memory-gbs N`";
    return {};
  }
  const std::string to = arguments.value("to").value_or("T4,A100 80GB SXM,H100 SXM");
  for (const std::string_view name : split(to, ',')) {
    MRUN_ASSIGN(const Device* device, find_device(base.devices, trim(name)));
    ProjectedLine line;
    line.projection = project(*measured, *device);
    if (!line.projection.not_feasible) {
      line.seconds = {estimate.seconds->typical * exact_ratio(line.projection.least_s),
                      estimate.seconds->typical * exact_ratio(line.projection.most_s)};
      add_price(base, *device, estimate.workload.work, line);
    }
    estimate.projected.push_back(std::move(line));
  }
  return {};
}

} // namespace mrun::cli
