"""What makes up for species with few photos."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from mushroom_tasks.settings.section import Section

Balance = Literal["none", "sampling", "weights"]


class BalanceSettings(Section):
    """Rare species seen more often, or weighed more. Of 30 photos beside 400 both defaults make about 1 to 3.7."""

    balance: Balance = Field(
        "none",
        description="`sampling` draws photos of rare species more often, `weights` weighs them more, `none` neither.",
    )
    balance_exponent: float = Field(
        0.5,
        ge=0,
        le=1,
        description="Sampling: a species with n photos is drawn like n ** exponent; 1 as they are, 0 all alike.",
    )
    balance_beta: float = Field(
        0.99,
        ge=0,
        lt=1,
        description="Weights: beta of the effective number of samples (Cui et al. 2019); 0 weighs all alike.",
    )
