//! `[functions.<slug>] schedule`: one schedule as text, or a list of tables.

use super::section::Section;
use super::{FunctionSchedule, Misfire, Overlap};
use crate::limits::CRON_RETRIES_MAX;

const KEY: &str = "schedule";

/// The schedules of the function whose section this is.
pub(super) fn read(function: &mut Section<'_>) -> Vec<FunctionSchedule> {
    match function.tables(KEY) {
        Some(tables) => {
            let wanted = tables.len();
            let schedules: Vec<_> = tables.into_iter().filter_map(table).collect();
            if schedules.len() < wanted {
                function.refuse(KEY, "expected cron = \"*/5 * * * *\" or the like in each table".into());
            }
            schedules
        }
        None => function.string(KEY).map(FunctionSchedule::new).into_iter().collect(),
    }
}

fn table(mut section: Section<'_>) -> Option<FunctionSchedule> {
    let cron = section.string("cron");
    let default = FunctionSchedule::new(cron.clone().unwrap_or_default());
    let schedule = FunctionSchedule {
        timezone: section.string("timezone").unwrap_or(default.timezone),
        misfire: section
            .parsed("misfire", "\"skip\", \"once\" or \"all\"", Misfire::parse)
            .unwrap_or(default.misfire),
        overlap: section
            .parsed("overlap", "\"queue\", \"skip\" or \"allow\"", Overlap::parse)
            .unwrap_or(default.overlap),
        max_retries: section
            .integer("max_retries", 0..=CRON_RETRIES_MAX)
            .map_or(default.max_retries, |retries| retries as u32),
        payload: section.json("payload").unwrap_or(default.payload),
        cron: default.cron,
    };
    section.finish();
    cron.map(|_cron| schedule)
}
