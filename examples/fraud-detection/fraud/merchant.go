package fraud

import (
	"fmt"
	"log/slog"
	"math"

	stateway "github.com/stateway/stateway/lambda-sdk"
)

// unrated is the risk of a merchant of which nobody has said anything.
const unrated = 0.2

// merchantRecord is the state of a Merchant.
type merchantRecord struct {
	Rated  bool    `json:"rated,omitempty"`
	Rating float64 `json:"rating"`
	Frauds int64   `json:"frauds"` // confirmed, in all
}

var record = stateway.Value[merchantRecord]("merchant")

// risk grows with each confirmed fraud by a tenth of what is left to 1.
func (r merchantRecord) risk() float64 {
	rating := unrated
	if r.Rated {
		rating = r.Rating
	}
	return 1 - (1-rating)*math.Pow(0.9, float64(r.Frauds))
}

// merchant is the code of the function Merchant.
func merchant(ctx *stateway.Context, msg stateway.Message) error {
	r, err := record.Get(ctx)
	if err != nil {
		return err
	}
	if RatingType.Is(msg) {
		rate(ctx, msg, r)
		return nil
	}
	caller, inside := ctx.Caller()
	switch {
	case !inside:
		slog.Warn("ignored: it came from outside, not from a function", "merchant", ctx.Self().ID, "message", msg.TypeName())
		return nil
	case rateMerchantType.Is(msg):
		ctx.Send(caller, merchantRiskType.Of(merchantRisk{Risk: r.risk()}))
		return nil
	case fraudConfirmedType.Is(msg):
		r.Frauds++
		record.Set(ctx, r)
		return nil
	}
	return fmt.Errorf("merchant %s: unknown message type %s", ctx.Self().ID, msg.TypeName())
}

// rate takes a rating that makes sense.
func rate(ctx *stateway.Context, msg stateway.Message, r merchantRecord) {
	rating, err := RatingType.Read(msg)
	if err != nil || !(rating.Risk >= 0 && rating.Risk <= 1) {
		slog.Warn("ignored: want a risk from 0 to 1", "merchant", ctx.Self().ID, "rating", rating.Risk, "error", err)
		return
	}
	r.Rated, r.Rating = true, rating.Risk
	record.Set(ctx, r)
}
