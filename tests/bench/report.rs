//! Rows of the table: ours, the reference of the same run, their ratio, and the goal.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

/// Which direction is the good one.
#[derive(Clone, Copy)]
pub enum Better {
    /// Times and sizes.
    Lower,
    /// Rates.
    Higher,
}

impl Better {
    fn word(self) -> &'static str {
        match self {
            Self::Lower => "lower",
            Self::Higher => "higher",
        }
    }
}

/// One comparison.
pub struct Row {
    /// What is compared.
    pub name: &'static str,
    /// Our value.
    pub ours: f64,
    /// The value of the reference, measured in the same run, or a bound.
    pub reference: f64,
    /// The unit of both.
    pub unit: &'static str,
    /// What the ratio should reach.
    pub goal: f64,
    /// Which direction is the good one.
    pub better: Better,
    /// What else one has to know to read the numbers.
    pub conditions: String,
}

impl Row {
    fn ratio(&self) -> f64 {
        self.ours / self.reference
    }

    fn is_reached(&self) -> bool {
        match self.better {
            Better::Lower => self.ratio() <= self.goal,
            Better::Higher => self.ratio() >= self.goal,
        }
    }

    fn to_json(&self) -> Value {
        json!({
            "name": self.name, "ours": self.ours, "reference": self.reference, "unit": self.unit,
            "ratio": self.ratio(), "goal": self.goal, "better": self.better.word(), "conditions": self.conditions,
        })
    }
}

/// All rows of a run.
#[derive(Default)]
pub struct Report(Vec<Row>);

impl Report {
    /// Adds a row and prints it at once: a run takes a while.
    pub fn add(&mut self, row: Row) {
        println!(
            "{}: {:.3} {} / {:.3}",
            row.name, row.ours, row.unit, row.reference
        );
        self.0.push(row);
    }

    /// The table.
    pub fn print(&self) {
        let (name, ours, reference) = ("what", "ours", "reference");
        println!(
            "\n{name:<52} {ours:>12} {reference:>12} {:>8} {:>8}",
            "ratio", "goal"
        );
        for row in &self.0 {
            let outcome = if row.is_reached() { "reached" } else { "MISSED" };
            println!(
                "{:<52} {:>9.3} {:<4} {:>9.3} {:<4} {:>6.2} {:>8.2}  {outcome}",
                row.name,
                row.ours,
                row.unit,
                row.reference,
                row.unit,
                row.ratio(),
                row.goal
            );
        }
    }

    /// Writes one object for each row.
    ///
    /// # Errors
    /// What the file system says, with the path.
    pub fn write(&self) -> Result<PathBuf, String> {
        // Cargo gives each test crate `<target>/tmp`, wherever the target folder is.
        let target = Path::new(env!("CARGO_TARGET_TMPDIR"));
        let folder = target.parent().unwrap_or(target).join("bench");
        fs::create_dir_all(&folder)
            .map_err(|error| format!("cannot make `{}`: {error}", folder.display()))?;
        let rows: Vec<Value> = self.0.iter().map(Row::to_json).collect();
        let text = serde_json::to_string_pretty(&rows).map_err(|error| error.to_string())?;
        let file = folder.join("summary.json");
        fs::write(&file, text + "\n")
            .map_err(|error| format!("cannot write `{}`: {error}", file.display()))?;
        Ok(file)
    }
}

/// Medians of two tasks that take turns, so that what else the machine does hits both alike; milliseconds.
pub fn side_by_side(rounds: usize, mut ours: impl FnMut(), mut reference: impl FnMut()) -> (f64, f64) {
    let mut times = (Vec::new(), Vec::new());
    // The first turn of each warms caches and is not counted.
    for round in 0..=rounds {
        let turn = (time(&mut ours), time(&mut reference));
        if round > 0 {
            times.0.push(turn.0);
            times.1.push(turn.1);
        }
    }
    (median(times.0), median(times.1))
}

fn time(task: &mut impl FnMut()) -> Duration {
    let begin = Instant::now();
    task();
    begin.elapsed()
}

fn median(mut times: Vec<Duration>) -> f64 {
    times.sort();
    times
        .get(times.len() / 2)
        .map_or(f64::NAN, |time| time.as_secs_f64() * 1_000.0)
}

/// What every row is measured under.
pub fn conditions() -> String {
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let profile = if cfg!(debug_assertions) {
        "dev profile: dependencies at opt-level 2, own code at 1"
    } else {
        "release profile"
    };
    format!("{cores} cores, {profile}")
}
