package module

import "testing"

// A function's name chooses a Lambda function, and no qualifier, account or region: names come with messages.
func TestLambdaFunctionResolve(t *testing.T) {
	cases := []struct{ template, name, function, qualifier string }{
		{"shop-{function.name}:live", "cart", "shop-cart", "live"},
		{"{function.name}", "cart", "cart", ""},
		{"f:{function.name}", "v2", "f", "v2"},
		{"arn:aws:lambda:eu-central-1:123456789012:function:{function.name}", "cart", "arn:aws:lambda:eu-central-1:123456789012:function:cart", ""},
		{"shop-{function.name}", "cart:7", "", ""},
		{"{function.name}", "123456789012:function:other", "", ""},
		{"{function.name}", "arn:aws:lambda:eu-central-1:123456789012:function:other", "", ""},
		{"f:{function.name}", "$LATEST", "", ""},
		{"{function.name}", "no.name", "", ""},
		{"{function.name}", "", "", ""},
	}
	for _, c := range cases {
		function, qualifier, err := LambdaFunction{text: c.template}.Resolve(c.name)
		if function != c.function || qualifier != c.qualifier || (err == nil) != (c.function != "") {
			t.Errorf("%s for %q: got %q, %q, %v", c.template, c.name, function, qualifier, err)
		}
	}
}
