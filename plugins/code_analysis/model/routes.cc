// Routes: every path of mounts from the root apps down, composed as Express would match it.
#include <algorithm>
#include <set>

#include "plugins/code_analysis/model/application.h"

namespace assay::code_analysis {
namespace {

constexpr size_t kMaxRoutes = 5000;
constexpr size_t kMaxMountDepth = 16;
constexpr size_t kMaxPrefixes = 64;
constexpr uint32_t kMaxCompositions = 20000;

// One slash between the two, none at the end except for the root.
std::string Join(const std::string& prefix, const std::string& path) {
  std::string joined = prefix;
  if (!path.empty() && path[0] == '/' && path.size() > 1 && path.find_first_of("()|\\^$") != std::string::npos &&
      path.rfind('/') > 0 && (path[1] == '^' || path.find("\\/") != std::string::npos)) {
    return prefix.empty() || prefix == "/" ? path : prefix + path;  // a regular expression
  }
  if (!path.empty()) joined += (path[0] == '/' ? "" : "/") + path;
  std::string clean;
  for (char c : joined) {
    if (c == '/' && !clean.empty() && clean.back() == '/') continue;
    clean += c;
  }
  if (clean.empty() || clean[0] != '/') clean.insert(clean.begin(), '/');
  while (clean.size() > 1 && clean.back() == '/') clean.pop_back();
  return clean;
}

}  // namespace

void Application::ComposeRoutes() {
  mounted_.assign(apps_.size(), false);
  for (const Registration& registration : registrations_) {
    for (uint32_t mount : registration.mounts) {
      if (mount != registration.app) mounted_[mount] = true;
    }
  }
  for (uint32_t app = 0; app < apps_.size(); ++app) {
    if (mounted_[app] && !apps_[app].listens) continue;
    // A router that nothing mounts, and a parameter that nobody is seen to fill, hang at a place that is not known.
    const bool exact = apps_[app].listens || (!apps_[app].is_router && apps_[app].creation.Is(Kind::kCall));
    std::vector<uint32_t> path;
    Compose(app, {""}, exact, {}, path);
  }
  // Routers that only mount each other have no root.
  std::set<uint32_t> seen;
  for (const Route& route : routes_) seen.insert(registrations_[route.registration].app);
  for (uint32_t app = 0; app < apps_.size(); ++app) {
    const bool has_routes = std::any_of(registrations_of_[app].begin(), registrations_of_[app].end(), [&](uint32_t r) {
      return registrations_[r].method != "USE" && registrations_[r].method != "PARAM";
    });
    if (!mounted_[app] || !has_routes || seen.count(app) != 0) continue;
    std::vector<uint32_t> path;
    Compose(app, {""}, false, {}, path);
  }
  std::stable_sort(routes_.begin(), routes_.end(), [&](const Route& a, const Route& b) {
    if (a.path != b.path) return a.path < b.path;
    if (a.method != b.method) return a.method < b.method;
    return a.registration < b.registration;
  });
  // One registration reached by two ways to the same path is one route.
  routes_.erase(std::unique(routes_.begin(), routes_.end(),
                            [](const Route& a, const Route& b) {
                              return a.path == b.path && a.method == b.method && a.registration == b.registration;
                            }),
                routes_.end());
}

void Application::Compose(uint32_t app, const std::vector<std::string>& prefixes, bool exact,
                          std::vector<uint32_t> before, std::vector<uint32_t>& path) {
  if (++compositions_ > kMaxCompositions || path.size() >= kMaxMountDepth ||
      std::find(path.begin(), path.end(), app) != path.end())
    return;
  path.push_back(app);
  for (uint32_t index : registrations_of_[app]) {
    const Registration& registration = registrations_[index];
    if (routes_.size() >= kMaxRoutes) break;
    if (registration.method == "PARAM") continue;
    const bool verb = registration.method != "USE";
    if (!registration.mounts.empty()) {
      // A verb's path is not stripped, so what a router there registers hangs on the parent's own prefix.
      std::vector<std::string> inner;
      for (const std::string& prefix : prefixes) {
        if (verb) {
          inner.push_back(prefix);
          continue;
        }
        for (const std::string& own : registration.paths) {
          if (inner.size() < kMaxPrefixes) inner.push_back(Join(prefix, own));
        }
      }
      auto inside = before;
      for (uint32_t handler : registration.handlers) {
        if (inside.empty() || inside.back() != handlers_[handler].registration)
          inside.push_back(handlers_[handler].registration);
      }
      for (uint32_t mount : registration.mounts) Compose(mount, inner, exact && registration.path_exact, inside, path);
      if (!registration.handlers.empty() || !verb) {
        before.push_back(index);
        continue;
      }
      continue;
    }
    if (!verb) {
      before.push_back(index);
      continue;
    }
    for (const std::string& prefix : prefixes) {
      for (const std::string& own : registration.paths) {
        if (routes_.size() >= kMaxRoutes) break;
        routes_.push_back({.method = registration.method,
                           .path = Join(prefix, own),
                           .path_exact = exact && registration.path_exact,
                           .registration = index,
                           .handlers = registration.handlers,
                           .before = before});
      }
    }
  }
  path.pop_back();
}

}  // namespace assay::code_analysis
