//! Mail to applicants, as plain text in their language.

use concord_api::application::Application;
use kube::ResourceExt;
use lettre::message::header::ContentType;
use lettre::message::{Mailbox, Message};
use lettre::{AsyncSmtpTransport, AsyncTransport, Tokio1Executor};

use super::events::Event;
use crate::applications::view::{day, stage_key};
use crate::language::{Language, Words};
use crate::store::notices::Contact;

/// Sends mail. No `Debug`: its address may hold a password.
pub struct Mailer {
    transport: AsyncSmtpTransport<Tokio1Executor>,
    from: Mailbox,
    /// Where applicants find their pages.
    origin: String,
}

impl Mailer {
    /// `url` is `smtps://user:password@host`, `smtp://host:25?tls=required`, or `smtp://localhost:25`.
    ///
    /// # Errors
    /// With a sentence that names the option to mend.
    pub fn new(url: &str, from: &str, origin: &str) -> Result<Self, String> {
        let transport = AsyncSmtpTransport::<Tokio1Executor>::from_url(url)
            .map_err(|error| {
                format!(
                    "--smtp is no address of a mail server, such as smtps://user@mail.example.org: {error}"
                )
            })?
            .timeout(Some(super::ANSWER_TIMEOUT))
            .build();
        let from = from.parse().map_err(|error| {
            format!("--mail-from {from} is no mail address, such as Concord <access@example.org>: {error}")
        })?;
        Ok(Self { transport, from, origin: origin.trim_end_matches('/').to_owned() })
    }

    /// Sends one mail.
    pub(super) async fn send(
        &self,
        application: &Application,
        event: Event,
        to: &Contact,
    ) -> Result<(), String> {
        let (subject, body) = text(application, event, &self.origin, &to.language);
        let to: Mailbox = to.address.parse().map_err(|error| format!("no mail address: {error}"))?;
        let mail = Message::builder()
            .from(self.from.clone())
            .to(to)
            .subject(subject)
            .header(ContentType::TEXT_PLAIN)
            .body(body)
            .map_err(|error| error.to_string())?;
        self.transport.send(mail).await.map(drop).map_err(|error| crate::error::chain(&error))
    }
}

/// Subject and body. The reason of a refusal is told in full; what reviewers wrote to each other is not.
fn text(application: &Application, event: Event, origin: &str, language: &str) -> (String, String) {
    let words = Words(Language::of_code(language).unwrap_or_default());
    let name = application.name_any();
    // A line break would end the subject's header; the kind refuses none.
    let title: String =
        application.spec.title.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let key = match event {
        Event::Submitted => "mail-submitted",
        Event::Decided => "mail-decided",
        Event::Appealed => "mail-appealed",
        Event::AppealDecided => "mail-appeal-decided",
    };
    let mut lines = vec![words.named(key, &title), String::new()];
    let status = application.status.as_ref();
    let decision = match event {
        Event::Decided => status.and_then(|status| status.decision.as_ref()),
        Event::AppealDecided => status.and_then(|status| status.appeal_decision.as_ref()),
        Event::Submitted | Event::Appealed => None,
    };
    if let Some(decision) = decision {
        let outcome = match decision.outcome {
            concord_api::application::Outcome::Approved => {
                stage_key(concord_api::application::Stage::Approved)
            }
            concord_api::application::Outcome::Refused => stage_key(concord_api::application::Stage::Refused),
        };
        lines.push(format!("{}: {}", words.get("decision"), words.get(outcome)));
        lines.push(decision.reason.clone());
        lines.push(String::new());
    } else if let Some(at) = status.and_then(|status| status.promised_by.as_ref()) {
        lines.push(format!("{}: {}", words.get("promised"), day(at.0)));
    }
    lines.push(format!("{origin}/apply/{name}"));
    (words.named("mail-subject", &title), lines.join("\r\n"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn application() -> Application {
        serde_json::from_value(json!({
            "metadata": {"name": "app-1", "creationTimestamp": "2026-11-01T00:00:00Z"},
            "spec": {
                "kind": "New", "project": "river", "title": "Floods\r\nBcc: everybody@example.org", "summary": "s",
                "justification": "j", "applicantUser": "demo:ann", "organisation": "o",
                "applicant": {"organisationKind": "ngo", "country": "FI", "purpose": "civil"},
                "declaration": {"terms": "1"},
                "request": {"party": "public", "gpuHours": 1, "mostGpus": 2, "days": 30},
            },
            "status": {
                "reviews": [{"reviewer": "demo:rita", "comment": "Between reviewers.", "at": "2026-11-02T00:00:00Z"}],
                "decision": {"outcome": "Refused", "reason": "The plan does not say who does the work.", "by": "demo:rita",
                    "at": "2026-11-03T00:00:00.000000Z"},
            },
        }))
        .unwrap()
    }

    #[test]
    fn a_refusal_is_told_with_its_reason_and_without_what_reviewers_said() {
        let (subject, body) = text(&application(), Event::Decided, "https://q.example.org", "fr");
        assert!(!subject.contains(['\r', '\n']), "{subject:?}");
        assert!(body.contains("The plan does not say who does the work."), "{body}");
        assert!(body.contains("Refusée") && body.contains("https://q.example.org/apply/app-1"), "{body}");
        assert!(!body.contains("Between reviewers") && !body.contains("rita"), "{body}");
    }
}
