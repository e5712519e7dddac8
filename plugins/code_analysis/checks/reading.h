// Questions that several checks ask of calls and handlers.
#ifndef ASSAY_PLUGINS_CODE_ANALYSIS_CHECKS_READING_H_
#define ASSAY_PLUGINS_CODE_ANALYSIS_CHECKS_READING_H_

#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "plugins/code_analysis/checks/repository_facts.h"
#include "plugins/code_analysis/model/model.h"

namespace assay::code_analysis {

// `origin` is one of these, or a path below one: "helmet" takes "helmet()" and "helmet.hsts()".
bool ComesFrom(std::string_view origin, std::initializer_list<std::string_view> packages);

// A call that answers the request: res.json(…), res.status(404).send(…), reply through a chain that ends in a response.
bool Answers(const Model& model, Node call);
// The status code a response call sends, when it is written in its chain; 0 when not.
int StatusOf(Node call);

// The value of an option in an options object: follows variables and spreads. `known` is false where part of the object
// could not be followed, so that an option that was not found may still be there.
struct Setting {
  Node value;
  bool known = true;
  explicit operator bool() const { return static_cast<bool>(value); }
};
Setting SettingOf(const Model& model, Node options, std::string_view key);

// The first places as evidence.
std::vector<Span> SpansOf(const Model& model, const std::vector<Node>& nodes);

// Apps that answer requests as a whole: those that listen, else those that are no routers.
std::vector<uint32_t> MainApps(const Model& model);
// Registrations on one app, in order.
std::vector<const Registration*> RegistrationsOn(const Model& model, uint32_t app);
// Does the registration put routes into the app: a verb, or a mounted router that has routes?
bool BringsRoutes(const Model& model, const Registration& registration);
// The origins of what a registration runs, wrappers included.
std::vector<std::string> OriginsOf(const Model& model, const Registration& registration);

}  // namespace assay::code_analysis

#endif  // ASSAY_PLUGINS_CODE_ANALYSIS_CHECKS_READING_H_
