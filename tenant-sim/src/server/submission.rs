//! What SMTP sessions need of the tenant.

use jiff::Timestamp;

use super::{Line, Shared, lock};
use crate::faults::{Effect, Lines, Probe};
use crate::graph::{self, mime};
use crate::state::{Folder, Message, State};
use crate::{Caller, entra, smtp};

impl smtp::Backend for Shared {
    fn caller(&self, bearer: &str) -> Option<Caller> {
        self.validate(bearer).ok().filter(|c| c.audience == entra::EXCHANGE_AUDIENCE)
    }

    fn with_state<R>(&self, f: impl FnOnce(&mut State, Timestamp) -> R) -> R {
        let now = self.clock.now();
        f(&mut lock(&self.state), now)
    }

    fn deliver(&self, message: smtp::Submitted) {
        let now = self.clock.now();
        let mut rng = lock(&self.rng).fork();
        let mut state = lock(&self.state);
        let header = |name: &str| mime::header(&message.mime, name).unwrap_or_default();
        let name = state.mailbox(&message.from, now).map(|m| m.display_name.clone()).unwrap_or_default();
        let draft = Message {
            id: String::new(),
            uid: 0,
            internet_message_id: header("message-id"),
            subject: header("subject"),
            from: (name, message.from.clone()),
            to: message.to.clone(),
            received: now,
            body: mime::body(&message.mime),
            read: false,
            mime: message.mime.clone(),
            ..Message::default()
        };
        let recipients: Vec<_> = message
            .to
            .iter()
            .filter_map(|to| state.mailbox(to, now).filter(|m| !m.remote).map(|m| m.object_id))
            .collect();
        for recipient in recipients {
            let id = graph::item_id(&mut rng);
            state.store.add_message(recipient, &Folder::Inbox, Message { id, ..draft.clone() }, now);
        }
        let sent = Message { id: graph::item_id(&mut rng), read: true, ..draft };
        state.store.add_message(message.mailbox, &Folder::Sent, sent, now);
    }

    fn fault(&self, step: &str) -> Option<String> {
        match self.faults.take(Probe::Line { protocol: Lines::Smtp, step }) {
            Some((_, Effect::SmtpLine(line))) => Some(line),
            _ => None,
        }
    }

    fn journal(&self, line: String) {
        self.journal
            .write(self.clock.now(), Line { method: "SMTP".to_owned(), path: line, ..Line::default() });
    }
}
