package shop

import stateway "github.com/stateway/stateway/lambda-sdk"

// The function types: an Address for each customer, and one for each kind of item.
const (
	Cart  = stateway.FunctionType("com.example/user-shopping-cart")
	Stock = stateway.FunctionType("com.example/stock")
)

// Topic is the topic of the playground egress that receipts are sent to, as JSON.
const Topic = "receipts"

// RestockItem adds Quantity items to the stock that it is sent to.
type RestockItem struct {
	ItemID   string `json:"itemId"`
	Quantity int64  `json:"quantity"`
}

// AddToCart puts Quantity items into the cart that it is sent to, if that many are in stock.
type AddToCart struct {
	UserID   string `json:"userId"`
	ItemID   string `json:"itemId"`
	Quantity int64  `json:"quantity"`
}

// ClearCart empties a cart. Its items go back to the stock.
type ClearCart struct {
	UserID string `json:"userId"`
}

// Checkout buys what is in a cart. It waits for the answers of the stock that are still to come.
type Checkout struct {
	UserID string `json:"userId"`
}

// Receipt says what a customer bought. Order counts the customer's carts from 1; together with UserID it names the receipt.
type Receipt struct {
	UserID string           `json:"userId"`
	Order  int64            `json:"order"`
	Items  map[string]int64 `json:"items"`
}

// The types of the messages that come from outside.
var (
	RestockItemType = stateway.JSON[RestockItem]("com.example/RestockItem")
	AddToCartType   = stateway.JSON[AddToCart]("com.example/AddToCart")
	ClearCartType   = stateway.JSON[ClearCart]("com.example/ClearCart")
	CheckoutType    = stateway.JSON[Checkout]("com.example/Checkout")
)

// requestItem is what a cart asks the stock. Order comes back with the answer, so that a late answer finds out that its cart is gone.
type requestItem struct {
	Order    int64 `json:"order"`
	Quantity int64 `json:"quantity"`
}

// itemAvailability is the answer: Quantity items are set aside for the cart if InStock, none otherwise.
type itemAvailability struct {
	Order    int64 `json:"order"`
	Quantity int64 `json:"quantity"`
	InStock  bool  `json:"inStock"`
}

// quantity is how many items are set aside.
func (a itemAvailability) quantity() int64 {
	if a.InStock {
		return a.Quantity
	}
	return 0
}

// expireCart is what a cart sends to itself in order to be emptied when nobody comes back.
type expireCart struct {
	Order int64 `json:"order"`
}

var (
	requestItemType      = stateway.JSON[requestItem]("com.example/RequestItem")
	itemAvailabilityType = stateway.JSON[itemAvailability]("com.example/ItemAvailability")
	expireCartType       = stateway.JSON[expireCart]("com.example/ExpireCart")
)
