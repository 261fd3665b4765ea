use m365_core::{Error, ErrorKind, MailboxAddress, Result};

use super::{OnPremisesGrant, OnPremisesScript, Shell, text};
use crate::command::powershell::single_quoted;
use crate::script::receipt::{ReceiptStep, ScriptReceipt, StepResult};

impl OnPremisesScript {
    /// A script that takes back what this one wrote, by its receipt, the last first, and nothing else: what was there before
    /// stays, a calendar's entry that was raised becomes what it was, and what somebody changed since is left as it is and
    /// reported as [`StepResult::LeftAlone`]. Like the script it shows first, writes with `-Apply`, and prints a receipt.
    ///
    /// # Errors
    /// [`ErrorKind::Conflict`] when the receipt is of another account or of other grants; [`ErrorKind::InvalidInput`] when it
    /// says nothing was written, or names what cannot be a mailbox.
    pub fn undo(&self, receipt: &ScriptReceipt) -> Result<String> {
        if receipt.app != self.account || !receipt.apply {
            let text = "the receipt is of another account, or of a run that wrote nothing";
            return Err(Error::new(ErrorKind::Conflict, text));
        }
        let who = match self.shell {
            Shell::Exchange2007Sp1 => "an Exchange Organization Administrator".to_owned(),
            _ => format!("a member of \"{}\"", self.role_group()),
        };
        let mut out = self.head(
            &format!("Undo: {}", self.title),
            &who,
            "It takes back what the receipt says was written. Without -Apply it only shows what it would do.",
        )?;
        let written: Vec<&ReceiptStep> =
            receipt.steps.iter().filter(|s| s.result == StepResult::Applied).collect();
        if written.is_empty() {
            return Err(Error::invalid(
                "the receipt says that nothing was written: there is nothing to undo",
            ));
        }
        for step in written.into_iter().rev() {
            let Some(grant) = self.grants.iter().find(|g| g.made(&self.account, step)) else {
                return Err(Error::new(ErrorKind::Conflict, "the receipt is that of another script"));
            };
            let part = taken_back(grant, step)?;
            match grant {
                OnPremisesGrant::FullAccess(_) | OnPremisesGrant::CalendarReviewer(_) => {
                    let body = text::indented(&part, "        ");
                    out.push_str(&text::fill(text::ONE, &[("BODY", &body)]));
                }
                // The next one takes back what this one uses.
                _ => out.push_str(&part),
            }
        }
        out.push_str("$script:completed = $true\nWrite-Receipt\n");
        Ok(out)
    }

    /// [`undo`](Self::undo) as a file, with a byte order mark.
    ///
    /// # Errors
    /// As [`undo`](Self::undo).
    pub fn undo_to_file(&self, receipt: &ScriptReceipt) -> Result<Vec<u8>> {
        let mut bytes = b"\xEF\xBB\xBF".to_vec();
        bytes.extend_from_slice(self.undo(receipt)?.replace('\n', "\r\n").as_bytes());
        Ok(bytes)
    }
}

fn taken_back(grant: &OnPremisesGrant, step: &ReceiptStep) -> Result<String> {
    let mailbox = || {
        // The receipt comes from outside.
        let on = MailboxAddress::parse(step.on.as_deref().unwrap_or_default())?;
        single_quoted(on.as_str())
    };
    Ok(match grant {
        OnPremisesGrant::FullAccess(_) => text::fill(text::UNDO_FULL_ACCESS, &[("ON", &mailbox()?)]),
        OnPremisesGrant::CalendarReviewer(_) => {
            let before = match step.before.as_deref().unwrap_or_default() {
                "" => "''",
                "None" => "'None'",
                "AvailabilityOnly" => "'AvailabilityOnly'",
                "LimitedDetails" => "'LimitedDetails'",
                _ => {
                    return Err(Error::invalid(
                        "the receipt names a former right that no step of this kind replaces",
                    ));
                }
            };
            text::fill(text::UNDO_REVIEWER, &[("ON", &mailbox()?), ("BEFORE", before)])
        }
        OnPremisesGrant::ManagementScope { name, .. } => {
            text::fill(text::UNDO_MANAGEMENT_SCOPE, &[("NAME", &single_quoted(name.as_str())?)])
        }
        OnPremisesGrant::Impersonation { name, .. } => {
            text::fill(text::UNDO_IMPERSONATION, &[("NAME", &single_quoted(name.as_str())?)])
        }
        OnPremisesGrant::ThrottlingPolicy { name } => {
            let part = match step.cmdlet.as_str() {
                "New-ThrottlingPolicy" => text::UNDO_THROTTLING_POLICY,
                _ => text::UNDO_THROTTLING_ASSOCIATION,
            };
            text::fill(part, &[("NAME", &single_quoted(name.as_str())?)])
        }
    })
}
