// What a request can reach: from the handlers along calls.
#ifndef ASSAY_PLUGINS_CODE_ANALYSIS_MODEL_REQUEST_PATH_H_
#define ASSAY_PLUGINS_CODE_ANALYSIS_MODEL_REQUEST_PATH_H_

#include <unordered_map>

#include "plugins/code_analysis/model/application.h"
#include "plugins/code_analysis/model/values.h"

namespace assay::code_analysis {

class RequestPath {
 public:
  RequestPath(Values& values, const Application& application);

  // The handler from which the function around the node is reached first; nullopt when none.
  std::optional<uint32_t> HandlerOf(Node node) const;

 private:
  using Key = std::pair<const SyntaxTree*, uint32_t>;
  struct Hash {
    size_t operator()(const Key& key) const {
      return std::hash<const void*>()(key.first) ^ (static_cast<size_t>(key.second) * 0x9E3779B97F4A7C15ull);
    }
  };
  std::unordered_map<Key, uint32_t, Hash> reached_;  // function → handler
};

}  // namespace assay::code_analysis

#endif  // ASSAY_PLUGINS_CODE_ANALYSIS_MODEL_REQUEST_PATH_H_
