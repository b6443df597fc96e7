package main

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"

	"github.com/stateway/stateway/examples/fraud-detection/fraud"
	"github.com/stateway/stateway/test/harness"
)

const pythonFolder = "examples/fraud-detection/python"

// model is the formula of python/model.py once more, so that what comes out can be compared with something.
type model struct {
	Bias    float64 `json:"bias"`
	Weights struct {
		LogAmount    float64 `json:"log_amount"`
		Night        float64 `json:"night"`
		Online       float64 `json:"online"`
		Frauds       float64 `json:"frauds"`
		MerchantRisk float64 `json:"merchant_risk"`
	} `json:"weights"`
}

// readModel reads the weights that training has found.
func readModel() (model, error) {
	var m model
	root, err := harness.Root()
	if err != nil {
		return m, err
	}
	path := filepath.Join(root, filepath.FromSlash(pythonFolder), "weights.json")
	text, err := os.ReadFile(path)
	if err != nil {
		return m, err
	}
	if err := json.Unmarshal(text, &m); err != nil {
		return m, fmt.Errorf("read %s: %w", path, err)
	}
	return m, nil
}

// score is how likely a payment is a fraud.
func (m model) score(p fraud.Payment, recent int64, risk float64) float64 {
	z := m.Bias + m.Weights.LogAmount*math.Log1p(float64(p.Cents)/100) + m.Weights.Frauds*float64(min(recent, 5)) + m.Weights.MerchantRisk*risk
	if p.Hour < 6 {
		z += m.Weights.Night
	}
	if p.Online {
		z += m.Weights.Online
	}
	return 1 / (1 + math.Exp(-z))
}

// riskOf is what a merchant must answer after so many confirmed frauds.
func riskOf(name string, confirmed int64) float64 {
	for _, m := range merchants {
		if m.name == name {
			return 1 - (1-m.risk)*math.Pow(0.9, float64(confirmed))
		}
	}
	panic("no merchant is called " + name) // payments name only those of the list
}
