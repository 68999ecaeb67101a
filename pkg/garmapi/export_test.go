package garmapi

// SpoilToken makes GARM refuse the next request, as it does after its JWT secret changed.
func (c *Client) SpoilToken() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.token = "eyJhbGciOiJIUzI1NiJ9.e30.spoiled"
}
