use m365_core::Result;

use super::{Handover, HandoverPart};
use crate::plan::{Plan, Step};

pub(super) fn write(handover: &Handover) -> String {
    let mut lines = vec![
        format!("Runbook: {}", handover.profile),
        format!("Tenant {}", handover.tenant_id),
        String::new(),
    ];
    if !handover.plan().profile.summary.is_empty() {
        lines.insert(1, handover.plan().profile.summary.clone());
    }
    if handover.parts.is_empty() && handover.by_product.is_empty() {
        lines.push("Everything is set up; there is nothing to run.".to_owned());
        return text(&lines);
    }
    lines.push(
        "Each script shows what it would do; add -Apply to do it. Send back what it prints at its end."
            .to_owned(),
    );
    for (index, part) in handover.parts.iter().enumerate() {
        lines.push(String::new());
        one(&mut lines, handover, index + 1, part);
    }
    if !handover.by_product.is_empty() {
        lines.extend([
            String::new(),
            "Then the product itself, since a secret comes of it and no script shows one:".to_owned(),
        ]);
        lines.extend(handover.by_product.iter().map(|(_, sentence)| format!("   - {sentence}")));
    }
    lines.extend([
        String::new(),
        "At last the proof: the mailboxes in scope open, the canary does not. A receipt is a claim and no proof."
            .to_owned(),
        String::new(),
        "To take it back, from the last to the first, only where the receipt says Applied:".to_owned(),
    ]);
    for (app, prelude) in &handover.preludes {
        lines.push(format!("   First, for the lines about {app}, in Microsoft Graph PowerShell:"));
        lines.extend(prelude.lines().map(|line| format!("       {line}")));
        lines.push("   and in Exchange Online PowerShell, with the two ids of the app:".to_owned());
        lines.push("       $ClientId = '<id>'; $ObjectId = '<id>'".to_owned());
    }
    for part in handover.parts.iter().rev() {
        for step in steps(handover, part).into_iter().rev() {
            let description = &step.description;
            if !description.inverse.is_empty() {
                lines.push(format!("   - {} ({})", description.inverse, description.role));
            }
            if !description.inverse_powershell.is_empty() {
                lines.extend(description.inverse_powershell.lines().map(|line| format!("       {line}")));
            }
        }
    }
    text(&lines)
}

/// Of each app that has steps: its name, and the lines with which its own scripts begin.
pub(super) fn preludes(plan: &Plan) -> Result<Vec<(String, String)>> {
    let concerned = |name: &str| plan.steps.iter().any(|step| step.app.as_deref() == Some(name));
    let apps = plan.profile.apps.iter().filter(|app| concerned(&app.unique_name));
    apps.map(|app| {
        let lines = graph_auth::powershell_prelude(&crate::names::registration(app)?)?;
        Ok((app.unique_name.clone(), lines))
    })
    .collect()
}

fn one(lines: &mut Vec<String>, handover: &Handover, number: usize, part: &HandoverPart) {
    let ids = if part.needs_ids { " -ClientId <id> -ObjectId <id>" } else { "" };
    lines.push(format!("{number}. {} ({})", part.role, part.shell));
    lines.push(format!("   .\\{}{ids} -Apply", part.file_name));
    if part.needs_ids {
        lines.push("   The two ids are printed by the part in Microsoft Graph PowerShell.".to_owned());
    }
    for step in steps(handover, part) {
        lines.push(format!("   - {}", step.description.sentence));
    }
    match part.wait_after {
        true => lines.push(format!(
            "   Wait before going on: {}. Going on earlier would open mailboxes that must stay closed.",
            part.window
        )),
        false => lines.push(format!("   It is {}; nobody has to wait for it to go on.", part.window)),
    }
}

fn steps<'a>(handover: &'a Handover, part: &'a HandoverPart) -> Vec<&'a Step> {
    handover.plan().steps.iter().filter(|s| part.steps.contains(&s.id)).collect()
}

fn text(lines: &[String]) -> String {
    let mut out = lines.join("\n");
    out.push('\n');
    out
}
