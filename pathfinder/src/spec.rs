//! The parameters of a Pathfinder image and the values that Long Range Arena gives them.

use anyhow::{Error, Result, anyhow, bail, ensure};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use strum::{Display, EnumString, VariantArray};

/// Version of the generator's output: raised whenever the same specification, seed and index would
/// give another image, so that caches and folders of older images are not mixed with newer ones.
pub const GENERATOR_VERSION: u32 = 1;

/// A paddle and its margin together reach less far than this, in pixels.
pub(super) const REACH: usize = 16;

/// The side lengths, in pixels, that Long Range Arena publishes.
pub const OFFICIAL_SIZES: [usize; 4] = [32, 64, 128, 256];

/// How long the target paths are, which is what makes the task hard.
///
/// Read from the level's name, or that of its folder.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    Hash,
    PartialOrd,
    Ord,
    Default,
    Display,
    EnumString,
    VariantArray,
    Serialize,
    Deserialize,
    JsonSchema,
)]
#[serde(rename_all = "lowercase")]
#[strum(parse_err_fn = unknown, parse_err_ty = Error)]
pub enum Difficulty {
    /// Paths of 6 paddles; folder `curv_baseline`.
    #[strum(to_string = "easy", serialize = "curv_baseline")]
    Easy,
    /// Paths of 9 paddles; folder `curv_contour_length_9`.
    #[strum(to_string = "intermediate", serialize = "curv_contour_length_9")]
    Intermediate,
    /// Paths of 14 paddles; folder `curv_contour_length_14`. The level that papers report.
    #[default]
    #[strum(to_string = "hard", serialize = "curv_contour_length_14")]
    Hard,
}

impl Difficulty {
    /// Name of the level's folder in the published layout.
    pub fn folder(self) -> &'static str {
        match self {
            Self::Easy => "curv_baseline",
            Self::Intermediate => "curv_contour_length_9",
            Self::Hard => "curv_contour_length_14",
        }
    }

    /// Paddles in each of the two target paths.
    pub fn contour_length(self) -> usize {
        match self {
            Self::Easy => 6,
            Self::Intermediate => 9,
            Self::Hard => 14,
        }
    }
}

fn unknown(name: &str) -> Error {
    anyhow!(
        "unknown Pathfinder difficulty `{name}`: expected easy, intermediate or hard \
         (or a folder name: curv_baseline, curv_contour_length_9, curv_contour_length_14)"
    )
}

/// Everything that determines the distribution of an image.
///
/// The procedure is that of Linsley et al. 2018 (*Learning long-range spatial dependencies with
/// horizontal gated recurrent units*); the values in [`Spec::official`] are those of Long Range
/// Arena (Tay et al. 2021). Lengths are in pixels of the final image unless said otherwise.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// Side of the square image, a multiple of 32 from 32 to 256.
    pub size: usize,
    /// Level, which names the folder; the lengths below are what matters to the image.
    pub difficulty: Difficulty,
    /// Width of the border that no path may enter.
    pub padding: usize,
    /// Half the gap between neighbouring paddles; one is drawn at random for each image.
    pub margins: Vec<usize>,
    /// Distance between the first ends of the two target paths.
    pub seed_distance: usize,
    /// Radius of the two discs that mark the ends to be judged.
    pub marker_radius: f64,
    /// Length of a paddle.
    pub paddle_length: usize,
    /// Thickness of a paddle; times `antialias` it must be a whole number.
    pub paddle_thickness: f64,
    /// How many times finer the canvas is on which paddles and markers are drawn.
    pub antialias: usize,
    /// Straightness: the angle between neighbouring paddles is multiplied by it before it is
    /// weighted with a squared cosine. 1 allows turns up to 90 degrees, more allows less.
    pub continuity: f64,
    /// Paddles in each target path.
    pub contour_length: usize,
    /// Paddles in each distractor.
    pub distractor_length: usize,
    /// Distractors attempted; those that find no room are left out.
    pub distractors: usize,
    /// Contrasts of which each path has one (and each paddle of a distractor).
    pub path_contrasts: Vec<f64>,
    /// Contrasts by which a target path's are multiplied, drawn for each paddle.
    pub paddle_contrasts: Vec<f64>,
}

impl Spec {
    /// The specification that Long Range Arena used for this side length and level.
    ///
    /// # Errors
    /// If `size` is not 32, 64, 128 or 256.
    pub fn official(size: usize, difficulty: Difficulty) -> Result<Self> {
        let contour_length = difficulty.contour_length();
        let distractor_length = contour_length / 3;
        // What several sizes have in common.
        let most = Self {
            size,
            difficulty,
            padding: 1,
            margins: vec![1],
            seed_distance: 12,
            marker_radius: 2.5,
            paddle_length: 5,
            paddle_thickness: 1.0,
            antialias: 2,
            continuity: 1.8,
            contour_length,
            distractor_length,
            distractors: 0,
            path_contrasts: vec![0.8],
            paddle_contrasts: vec![1.0],
        };
        // The published recipes state how many paddles all distractors have together.
        let (budget, spec) = match size {
            32 => (
                20,
                Self {
                    seed_distance: 7,
                    marker_radius: 1.5,
                    paddle_length: 2,
                    paddle_thickness: 0.5,
                    continuity: 1.0,
                    path_contrasts: vec![2.0],
                    paddle_contrasts: vec![0.75],
                    ..most
                },
            ),
            64 => (22, most),
            128 => (
                35,
                Self {
                    margins: vec![2, 3],
                    seed_distance: 20,
                    marker_radius: 3.0,
                    paddle_thickness: 1.5,
                    path_contrasts: vec![0.9],
                    ..most
                },
            ),
            256 => (
                30,
                Self {
                    padding: 22,
                    margins: vec![3],
                    seed_distance: 27,
                    marker_radius: 5.0,
                    paddle_thickness: 2.0,
                    path_contrasts: vec![1.0],
                    ..most
                },
            ),
            _ => bail!(
                "no Pathfinder of {size} x {size} pixels: the sizes are 32, 64, 128 (Path-X) and 256"
            ),
        };
        Ok(Self { distractors: budget / distractor_length, ..spec })
    }

    /// Pixels in an image, `size * size`.
    pub fn pixels(&self) -> usize {
        self.size * self.size
    }

    /// Name of the data set's folder in the published layout, e.g. `pathfinder128`.
    pub fn folder(&self) -> String {
        format!("pathfinder{}", self.size)
    }

    /// Refuses values for which the procedure is not defined.
    ///
    /// # Errors
    /// With the first field that is out of its range, and the range.
    pub fn validate(&self) -> Result<()> {
        ensure!(
            self.size.is_multiple_of(32) && (32..=256).contains(&self.size),
            "size is {}, but must be a multiple of 32 from 32 to 256",
            self.size
        );
        ensure!(
            self.padding >= 1 && 2 * self.padding < self.size,
            "padding is {}, but must be at least 1 and leave room in {} pixels",
            self.padding,
            self.size
        );
        ensure!(!self.margins.is_empty(), "margins must not be empty");
        ensure!(self.paddle_length >= 1, "paddle_length must be at least one pixel");
        for &margin in &self.margins {
            ensure!(
                margin >= 1 && self.paddle_length + margin < REACH,
                "margin {margin} with paddle_length {}: the margin must be at least 1 and the two \
                 together less than {}",
                self.paddle_length,
                REACH
            );
        }
        let reach = self.paddle_length + self.margins.iter().max().unwrap_or(&0);
        ensure!(
            reach + self.paddle_thickness.ceil() as usize <= 31,
            "paddle_thickness {} is too much: with paddle_length and margin it may be 31 in all",
            self.paddle_thickness
        );
        ensure!(
            4 * self.seed_distance < self.size,
            "seed_distance is {}, which leaves no room for the first paddle: four times it must \
             be less than size ({})",
            self.seed_distance,
            self.size
        );
        ensure!(
            self.marker_radius.is_finite() && self.marker_radius > 0.0,
            "marker_radius must be positive"
        );
        ensure!((1..=8).contains(&self.antialias), "antialias must be from 1 to 8");
        let fine = self.paddle_thickness * self.antialias as f64;
        ensure!(
            (1.0..=64.0).contains(&fine) && fine.fract() == 0.0,
            "paddle_thickness {} times antialias {} must be a whole number from 1 to 64",
            self.paddle_thickness,
            self.antialias
        );
        ensure!(
            self.continuity.is_finite() && self.continuity >= 0.0,
            "continuity must not be negative"
        );
        ensure!(self.contour_length >= 2, "contour_length must be at least 2 paddles");
        ensure!(
            self.distractor_length >= 1 || self.distractors == 0,
            "distractor_length must be at least 1 paddle"
        );
        for (name, list) in
            [("path_contrasts", &self.path_contrasts), ("paddle_contrasts", &self.paddle_contrasts)]
        {
            ensure!(
                !list.is_empty() && list.iter().all(|c| c.is_finite() && *c > 0.0),
                "{name} must hold positive numbers, at least one"
            );
        }
        Ok(())
    }

    /// SHA-256 of the specification and of [`GENERATOR_VERSION`], the identity of cached images.
    ///
    /// # Panics
    /// Never: a specification always has a JSON form.
    pub fn fingerprint(&self) -> [u8; 32] {
        let json = serde_json::to_vec(self).expect("a specification has a JSON form");
        let mut hash = Sha256::new();
        hash.update(GENERATOR_VERSION.to_le_bytes());
        hash.update(&json);
        hash.finalize().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distractors_follow_the_published_budgets() {
        let counts = |size| {
            Difficulty::VARIANTS
                .iter()
                .map(move |&level| Spec::official(size, level).unwrap().distractors)
        };
        assert!(counts(32).eq([10, 6, 5]));
        assert!(counts(64).eq([11, 7, 5]));
        assert!(counts(128).eq([17, 11, 8]));
        assert!(counts(256).eq([15, 10, 7]));
    }

    #[test]
    fn official_specifications_are_valid_and_distinct() {
        let mut seen = std::collections::HashSet::new();
        for size in OFFICIAL_SIZES {
            for &level in Difficulty::VARIANTS {
                let spec = Spec::official(size, level).unwrap();
                spec.validate().unwrap();
                assert!(seen.insert(spec.fingerprint()));
            }
        }
        assert!(Spec::official(48, Difficulty::Hard).is_err());
    }

    #[test]
    fn names_are_read_back() {
        for &level in Difficulty::VARIANTS {
            assert_eq!(level.to_string().parse::<Difficulty>().unwrap(), level);
            assert_eq!(level.folder().parse::<Difficulty>().unwrap(), level);
        }
        let error = "medium".parse::<Difficulty>().unwrap_err().to_string();
        assert!(error.contains("medium") && error.contains("intermediate"));
    }

    #[test]
    fn bad_values_are_named() {
        let good = Spec::official(32, Difficulty::Hard).unwrap();
        type Change = fn(&mut Spec);
        let cases: [(&str, Change); 5] = [
            ("margin 0", |s| s.margins = vec![0]),
            ("paddle_thickness", |s| s.paddle_thickness = 0.3),
            ("seed_distance", |s| s.seed_distance = 8),
            ("path_contrasts", |s| s.path_contrasts.clear()),
            ("size is 40", |s| s.size = 40),
        ];
        for (word, change) in cases {
            let mut spec = good.clone();
            change(&mut spec);
            let error = spec.validate().unwrap_err().to_string();
            assert!(error.contains(word), "{error}");
        }
    }
}
