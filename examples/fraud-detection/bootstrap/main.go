// Command bootstrap is the transaction manager as an AWS Lambda function. ALERT_ABOVE is the score above which it alerts, 0.5 unless it
// says otherwise.
//
//	CGO_ENABLED=0 go build -tags lambda.norpc -o bin/fraud-detection/bootstrap ./examples/fraud-detection/bootstrap
//	bin/stateway dev lambda fraud-transaction=bin/fraud-detection
package main

import (
	"cmp"
	"fmt"
	"os"
	"strconv"

	"github.com/aws/aws-lambda-go/lambda"

	"github.com/stateway/stateway/examples/fraud-detection/fraud"
)

func main() {
	above, err := strconv.ParseFloat(cmp.Or(os.Getenv("ALERT_ABOVE"), fmt.Sprint(fraud.DefaultAlertAbove)), 64)
	if err != nil || !(above > 0 && above < 1) {
		fmt.Fprintf(os.Stderr, "ALERT_ABOVE=%s: want a number between 0 and 1\n", os.Getenv("ALERT_ABOVE"))
		os.Exit(1)
	}
	lambda.Start(fraud.NewManager(above).Lambda())
}
