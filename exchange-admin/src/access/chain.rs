use m365_core::Authority;

use super::{Evidence, Outcome, Verdict};

/// Evidence as it is gathered.
#[derive(Default)]
pub(super) struct Chain(Vec<Evidence>);

impl Chain {
    pub(super) fn note(
        &mut self,
        authority: Authority,
        outcome: Outcome,
        text: impl Into<String>,
    ) -> Outcome {
        self.0.push(Evidence { authority, outcome, text: text.into(), object: None });
        outcome
    }

    pub(super) fn note_of(
        &mut self,
        authority: Authority,
        outcome: Outcome,
        text: impl Into<String>,
        object: &str,
    ) -> Outcome {
        let object = (!object.is_empty()).then(|| object.to_owned());
        self.0.push(Evidence { authority, outcome, text: text.into(), object });
        outcome
    }

    /// What Exchange's own test says beside our reading: it settles what we could not tell, and where both are sure and
    /// differ nothing is proven.
    pub(super) fn reconcile(&mut self, cmdlet: &str, ours: Outcome, theirs: Outcome) -> Outcome {
        let (outcome, text) = match (ours, theirs) {
            (_, Outcome::Unknown) => (ours, format!("{cmdlet} gave no verdict")),
            (Outcome::Unknown, _) => (theirs, format!("{cmdlet} settles it: {theirs}")),
            (a, b) if a == b => (ours, format!("{cmdlet} says the same: {theirs}")),
            _ => (
                Outcome::Unknown,
                format!(
                    "{cmdlet} says {theirs}, and what was read says {ours}: one of the two is out of date"
                ),
            ),
        };
        let weight = if theirs == Outcome::Unknown { Outcome::Unknown } else { outcome };
        self.note(Authority::ExchangeScoping, weight, text);
        outcome
    }

    pub(super) fn close(self, outcome: Outcome) -> Verdict {
        Verdict { outcome, evidence: self.0 }
    }
}
