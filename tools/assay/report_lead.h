// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "assay/v1/report.pb.h"

namespace assay::cli {

// One thing a reader should see first: something that was tried, a place in the code, a rating, an item of a portfolio.
struct LeadEntry {
  enum class Kind {
    kOtherwise,  // the run showed otherwise than the code suggests
    kSame,       // the run showed the same
    kOpen,       // the run was not conclusive
    kLook,       // a place worth a look
    kPersonSaw,  // words of a rater
    kHandedIn,   // words of the candidate
  };
  Kind kind = Kind::kLook;
  // What is suggested or said: a statement, a message, a rated competency, a title.
  std::string statement;
  // What happened, or the words quoted.
  std::string outcome;
  std::string file;
  uint32_t line = 0;
  // The line itself, where its bytes are at hand.
  std::string quote;
};

struct Lead {
  std::string title;
  std::vector<LeadEntry> entries;
};

// What a reader should see first, at most `most` entries: what a run showed against the code, what it bore out, the
// places worth a look that were not named by these; without a repository what people saw, else what was handed in.
Lead WhatStandsFirst(const v1::EvaluationReport& report, size_t most);

// The service in a line, as it was seen to run; empty without a repository.
std::string ServiceInWords(const v1::EvaluationReport& report);

// Evaluators that gave no result and what the machine lacks, each thing once: what, and how to mend it.
struct Limit {
  std::string what;
  std::string mend;
};
// What this platform could not do.
std::vector<Limit> NotObservableHere(const v1::EvaluationReport& report);
// Evaluators without a result for another reason.
std::vector<Limit> WithoutResult(const v1::EvaluationReport& report);

// "file:line", or the file alone.
std::string PlaceOf(const std::string& file, uint32_t line);

// Of a rating or an item of a portfolio: what it is called and where it stands in its author's document.
std::string PlaceInWords(const v1::Evidence& evidence);

// Why nothing was seen of a behaviour, in words; empty when something was.
std::string WhyUnseen(const v1::BehaviourReadiness& behaviour);

// The first line of `text` with something in it, without the blanks around.
std::string FirstLine(const std::string& text);

// Whether everything counts as the candidate's own, because nothing says what was given.
bool WithoutBase(const v1::EvaluationReport& report);

}  // namespace assay::cli
